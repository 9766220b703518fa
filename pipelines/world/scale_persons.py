"""Persons of a world of any size as arrays: identifiers, tenures and identity traps."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.world.files import DAY_SECONDS, YEAR_END, YEAR_START
from pipelines.world.parameters import Parameters
from pipelines.world.persons import MINI_APPS, PHONE_PREFIXES
from pipelines.world.scale_text import digit_text, hex_text, scatter

NOBODY = -1
# Odd and not divisible by five: multiplication permutes the eight-digit numbers.
PHONE_STRIDE, CARD_STRIDE = 48_271_237, 69_069_317


@dataclass(slots=True)
class Held:
    """Per person the first value's number until a border, the second's from it; -1 is none."""

    first: np.ndarray
    second: np.ndarray
    border: np.ndarray

    def at(self, person: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """Return the value's number that each person holds at each time."""
        is_first = seconds < self.border[person]
        return np.asarray(np.where(is_first, self.first[person], self.second[person]))


@dataclass(slots=True)
class Crowd:
    """All persons as columns; `pairs` holds each trap's persons and value numbers."""

    count: int
    household: np.ndarray
    has_app: np.ndarray
    has_mini: np.ndarray
    has_contact: np.ndarray
    has_unionid: np.ndarray
    phones: Held
    devices: Held
    is_silent: np.ndarray  # never logs in on the second device
    card: np.ndarray
    is_card_shared: np.ndarray
    tablet: np.ndarray
    count_phones: int
    count_devices: int
    salt: int
    weight: np.ndarray
    pairs: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def text(self, kind: str, numbers: np.ndarray) -> pa.Array:
        """Return the values of identifier numbers of a type, normalised as in the truth."""
        if kind == "phone":
            prefixes = pa.array([f"+86{prefix}" for prefix in PHONE_PREFIXES])
            head = prefixes.take(pa.array(numbers % len(PHONE_PREFIXES)))
            tail = digit_text((numbers * PHONE_STRIDE + self.salt) % 10**8, 8)
            return pc.binary_join_element_wise(head, tail, "")
        if kind == "member_card":
            tail = digit_text((numbers * CARD_STRIDE + self.salt) % 10**8, 8)
            return pc.binary_join_element_wise("M", tail, "")
        heads = {"user_id": "u", "device_id": "", "unionid": "on", "external_userid": "wm"}
        salt = self.salt + 1 + len(kind) * 1_000
        head = f"{MINI_APPS[0]}:o" if kind == "openid" else heads[kind]
        return pc.binary_join_element_wise(head, hex_text(scatter(numbers, salt)), "")


def build_crowd(
    persons: int, rng: np.random.Generator, seed: int, p: Parameters, has_traps: bool
) -> Crowd:
    """Return so many persons in households of 1-4, with identity traps if wanted."""
    sizes = rng.choice(4, size=persons, p=p.household_sizes) + 1
    household = np.repeat(np.arange(persons), sizes)[:persons]
    everyone = np.arange(persons)
    always = np.full(persons, YEAR_END)
    has_mini = rng.random(persons) < p.mini_program
    crowd = Crowd(
        persons, household, rng.random(persons) < p.app, has_mini,
        rng.random(persons) < p.external_userid,
        has_mini & (rng.random(persons) < p.unionid_tied),
        Held(everyone.copy(), np.full(persons, NOBODY), always.copy()),
        Held(everyone.copy(), np.full(persons, NOBODY), always.copy()),
        np.zeros(persons, dtype=bool), everyone.copy(), np.zeros(persons, dtype=bool),
        np.full(persons, NOBODY), persons, persons, seed, rng.gamma(1.0, size=persons) + 0.1,
    )
    if has_traps:
        _set_traps(crowd, rng, p)
    return crowd


def _set_traps(crowd: Crowd, rng: np.random.Generator, p: Parameters) -> None:
    count = crowd.count
    order = rng.permutation(count)
    wanted = round(p.recycled_phone * count)
    pair = (order[:wanted], order[wanted : 2 * wanted])
    _pass_on(crowd.phones, pair, (50, 150), p.recycled_gap_days, rng)
    crowd.pairs["recycled_phone"] = (np.c_[pair], crowd.phones.first[pair[0]][:, None])
    crowd.phones.first[pair[1]] = NOBODY
    changed = order[2 * wanted : 2 * wanted + round(p.new_phone * count)]
    crowd.count_phones = _replace(crowd.phones, changed, crowd.count_phones, rng)
    values = np.c_[crowd.phones.first[changed], crowd.phones.second[changed]]
    crowd.pairs["new_phone"] = (changed[:, None], values)
    _set_device_traps(crowd, rng, p)
    _set_shared_traps(crowd, rng, p)


def _set_device_traps(crowd: Crowd, rng: np.random.Generator, p: Parameters) -> None:
    owners = rng.permutation(np.flatnonzero(crowd.has_app))
    wanted = min(round(p.sold_device * crowd.count), len(owners) // 4)
    pair = (owners[:wanted], owners[wanted : 2 * wanted])
    _pass_on(crowd.devices, pair, (50, 250), p.sold_gap_days, rng)
    numbers = crowd.count_devices + np.arange(wanted)
    crowd.devices.second[pair[0]] = numbers
    crowd.count_devices += wanted
    crowd.pairs["sold_device"] = (np.c_[pair], crowd.devices.first[pair[0]][:, None])
    rest = owners[2 * wanted :]
    renewed = round(p.new_device * len(owners))
    for trap, chosen in (
        ("new_device", rest[:renewed]),
        ("reinstalled", rest[renewed : renewed + round(p.reinstalled * len(owners))]),
    ):
        crowd.count_devices = _replace(crowd.devices, chosen, crowd.count_devices, rng)
        values = np.c_[crowd.devices.first[chosen], crowd.devices.second[chosen]]
        crowd.pairs[trap] = (chosen[:, None], values)
    crowd.is_silent[crowd.pairs["reinstalled"][0][:, 0]] = True


def _pass_on(
    held: Held, pair: tuple[np.ndarray, np.ndarray], days: tuple[int, int],
    gap: tuple[int, int], rng: np.random.Generator,
) -> None:
    giver, heir = pair
    left = YEAR_START + (rng.uniform(*days, len(giver)) * DAY_SECONDS).astype(np.int64)
    held.border[giver] = left
    held.border[heir] = left + rng.integers(gap[0], gap[1] + 1, len(giver)) * DAY_SECONDS
    held.second[heir] = held.first[giver]


def _replace(held: Held, persons: np.ndarray, count: int, rng: np.random.Generator) -> int:
    """Give persons a new value from a border in the middle of the year; return the count."""
    held.second[persons] = count + np.arange(len(persons))
    days = rng.uniform(50, 300, len(persons))
    held.border[persons] = YEAR_START + (days * DAY_SECONDS).astype(np.int64)
    return count + len(persons)


def _set_shared_traps(crowd: Crowd, rng: np.random.Generator, p: Parameters) -> None:
    """Share a card or a tablet between the first two persons of some households."""
    starts = np.flatnonzero(np.r_[True, crowd.household[1:] != crowd.household[:-1]])
    pairs = starts[:-1][np.diff(starts) > 1]
    cards = rng.permutation(pairs)[: round(p.shared_card * len(starts))]
    crowd.card[cards + 1] = crowd.card[cards]
    crowd.is_card_shared[cards] = crowd.is_card_shared[cards + 1] = True
    crowd.pairs["shared_card"] = (np.c_[cards, cards + 1], crowd.card[cards][:, None])
    both = pairs[crowd.has_app[pairs] & crowd.has_app[pairs + 1]]
    tablets = rng.permutation(both)[: round(p.family_tablet * len(starts))]
    numbers = crowd.count_devices + np.arange(len(tablets))
    crowd.tablet[tablets] = crowd.tablet[tablets + 1] = numbers
    crowd.count_devices += len(tablets)
    crowd.pairs["family_tablet"] = (np.c_[tablets, tablets + 1], numbers[:, None])
