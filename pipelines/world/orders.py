"""Whose each real basket is, and which card and phone the till wrote on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import numpy as np

from pipelines.world.completejourney import Purchases
from pipelines.world.files import ZONE_SECONDS
from pipelines.world.parameters import Parameters, Traps
from pipelines.world.persons import Mint, Person
from pipelines.world.plan import Instance

STORE_GROUPS = 10
PHONE_FORMATS = (
    "{0}{1}{2}", "{0}{1}{2}", "{0}{1}{2}", "{0} {1} {2}", "{0}-{1}-{2}",
    "+86 {0}-{1}-{2}", "+86{0}{1}{2}", "0086 {0} {1} {2}", "(+86){0}{1}{2}", "{0}.{1}.{2}",
)


@dataclass(slots=True)
class Orders:
    """One row per basket: person, store group 1-10, card and phone (E.164) as written."""

    person: np.ndarray
    group: np.ndarray
    cards: list[str]
    phones: list[str]
    typed: list[str]
    instances: list[Instance] = field(default_factory=list)


def assign_baskets(
    purchases: Purchases, sizes: list[int], rng: np.random.Generator, p: Parameters
) -> np.ndarray:
    """Return each basket's person number; the first of a household buys most."""
    numbers, position = np.unique(purchases.household, return_inverse=True)
    first_person = np.r_[0, np.cumsum(sizes)]
    weights = rng.gamma(2.0, size=(len(numbers), 4))
    weights[:, 0] *= p.main_shopper_weight
    weights *= np.arange(4)[None, :] < np.asarray(sizes)[:, None]
    bounds = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
    draws = rng.random(len(position))
    chosen = (draws[:, None] > bounds[position]).sum(axis=1)
    last = np.asarray(sizes)[position] - 1
    owner: np.ndarray = first_person[position] + np.minimum(chosen, last)
    return owner


def store_groups(stores: np.ndarray) -> np.ndarray:
    """Return each basket's store group, 1-10, the same for all baskets of a store."""
    return np.unique(stores, return_inverse=True)[1] % STORE_GROUPS + 1


def identify_orders(
    purchases: Purchases, owner: np.ndarray, persons: list[Person], mint: Mint,
    p: Parameters, traps: Traps,
) -> Orders:
    """Write a card, a phone, both or nothing on every basket, and the tills' traps."""
    random = mint.random
    count = len(owner)
    orders = Orders(owner, store_groups(purchases.store), [""] * count, [""] * count, [])
    times = purchases.at.tolist()
    for basket, number in enumerate(owner.tolist()):
        person = persons[number]
        card, phone = _written(person, times[basket], random, p)
        orders.cards[basket], orders.phones[basket] = card, phone
    if traps == "all":
        _set_hard_till_traps(orders, times, persons, mint, p)
    if traps != "none":
        _set_placeholders(orders, random, p)
    orders.typed = [type_phone(phone, random) if phone else "" for phone in orders.phones]
    return orders


def _written(person: Person, at: int, random: Random, p: Parameters) -> tuple[str, str]:
    held = [span for span in person.phones if span.covers(at)]
    phone = random.choice(held) if held else None
    both, card_only, phone_only = p.card_and_phone, p.card_only, p.phone_only
    if person.card.habit == "alone":
        both, card_only, phone_only = 0.0, 0.85, 0.0
    elif "beside" in (person.card.habit, phone.habit if phone else ""):
        both, card_only, phone_only = p.trap_card_and_phone, 0.25, 0.05
    elif phone and phone.habit == "alone":
        both, card_only, phone_only = 0.0, 0.45, 0.35
    draw = random.random()
    number = phone.value if phone else ""
    if draw < both:
        return person.card.value, number
    if draw < both + card_only:
        return person.card.value, ""
    return "", number if draw < both + card_only + phone_only else ""


def type_phone(number: str, random: Random) -> str:
    """Return an E.164 mainland number as a clerk types it."""
    digits = number[3:]
    form = PHONE_FORMATS[int(random.random() * len(PHONE_FORMATS))]
    return form.format(digits[:3], digits[3:7], digits[7:])


def _set_placeholders(orders: Orders, random: Random, p: Parameters) -> None:
    """Put each store group's placeholder phone on orders of strangers."""
    numbers = [f"+861380013800{group}" for group in range(STORE_GROUPS)]
    seen: dict[str, set[int]] = {number: set() for number in numbers}
    count = len(orders.cards)
    for basket in random.sample(range(count), round(p.placeholder_orders * count)):
        number = numbers[int(orders.group[basket]) - 1]
        orders.phones[basket] = number
        seen[number].add(int(orders.person[basket]))
    for number in numbers:
        orders.instances.append(Instance("placeholder_phone", sorted(seen[number]), [number]))


def _set_hard_till_traps(
    orders: Orders, times: list[int], persons: list[Person], mint: Mint, p: Parameters
) -> None:
    _type_wrong_phones(orders, times, persons, mint, p)
    _swipe_cashier_cards(orders, mint, p)
    _set_small_placeholders(orders, mint, p)


def _type_wrong_phones(
    orders: Orders, times: list[int], persons: list[Person], mint: Mint, p: Parameters
) -> None:
    """Type a spouse's phone, or a wrong digit, in place of the buyer's phone."""
    random = mint.random
    members: dict[int, list[Person]] = {}
    for person in persons:
        members.setdefault(person.household, []).append(person)
    typed = [basket for basket, phone in enumerate(orders.phones) if phone]
    wanted = round(p.spouse_phone * len(typed))
    slips = round(p.mistyped_phone * len(typed))
    for basket in random.sample(typed, len(typed)):
        buyer = persons[int(orders.person[basket])]
        others = [one for one in members[buyer.household] if one is not buyer]
        spouse = others[0].phone_at(times[basket]) if others else None
        if wanted and spouse and spouse.value != orders.phones[basket] and not _trapped(buyer):
            wanted -= 1
            orders.phones[basket] = spouse.value
            pair = [buyer.number, others[0].number]
            orders.instances.append(Instance("spouse_phone", pair, [spouse.value], times[basket]))
        elif slips:
            slips -= 1
            number = orders.phones[basket]
            place = random.randrange(6, 14)
            digit = (int(number[place]) + random.randrange(1, 10)) % 10
            wrong = f"{number[:place]}{digit}{number[place + 1:]}"
            orders.phones[basket] = wrong
            orders.instances.append(
                Instance("mistyped_phone", [buyer.number], [number, wrong], times[basket])
            )
        if not wanted and not slips:
            return


def _trapped(person: Person) -> bool:
    return person.card.is_shared or any(span.habit != "usual" for span in person.phones)


def _swipe_cashier_cards(orders: Orders, mint: Mint, p: Parameters) -> None:
    """Swipe the cashier's own card, one per store group, on orders without a card."""
    cards = [mint.card() for _ in range(STORE_GROUPS)]
    seen: dict[str, set[int]] = {card: set() for card in cards}
    free = [basket for basket, card in enumerate(orders.cards) if not card]
    wanted = round(p.cashier_card_orders * len(orders.cards))
    for basket in mint.random.sample(free, min(wanted, len(free))):
        card = cards[int(orders.group[basket]) - 1]
        orders.cards[basket] = card
        seen[card].add(int(orders.person[basket]))
    for card in cards:
        orders.instances.append(Instance("cashier_card", sorted(seen[card]), [card]))


def _set_small_placeholders(orders: Orders, mint: Mint, p: Parameters) -> None:
    """Type one of many invented numbers on 2-5 orders of strangers each."""
    free = [basket for basket, phone in enumerate(orders.phones) if not phone]
    mint.random.shuffle(free)
    for _ in range(p.small_placeholders):
        number = mint.phone()
        count = mint.random.randint(*p.small_placeholder_orders)
        chosen, free = free[:count], free[count:]
        for basket in chosen:
            orders.phones[basket] = number
        holders = sorted({int(orders.person[basket]) for basket in chosen})
        orders.instances.append(Instance("small_placeholder", holders, [number]))


def business_days(at: np.ndarray) -> np.ndarray:
    """Return days since 1970 in the programme zone."""
    return (at + ZONE_SECONDS) // 86_400
