"""How the traps of the sample world were handled: a rule for each trap, applied to each instance.

The rules ask where the stays of the named persons ended (``work_found_stays``), who holds the
named identifiers now (``tenures``) and what is screened; not on which way it came about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lake.engines.duckdb import Session

NULLISH = "nullish_anonymous_id"


@dataclass(frozen=True, slots=True)
class TrapScore:
    """How the instances of one trap were handled."""

    trap: str
    what: str
    """What holds of an instance that was handled."""
    bar: float
    """The share of the decidable instances that must be handled."""
    count_decidable: int
    count_right: int
    """Of the decidable instances, those handled."""
    count_undecidable: int
    count_over_two: int
    """Of the undecidable instances, those over which more than two persons were joined."""

    @property
    def share(self) -> float | None:
        """Of the decidable instances, the share handled; None where there are none."""
        return self.count_right / self.count_decidable if self.count_decidable else None


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance: the persons it names, and the keys of its identifiers that were ever seen."""

    persons: tuple[str, ...]
    keys: tuple[int, ...]


class Found:
    """Where stays, identifiers and persons ended."""

    def __init__(self, session: Session, chains: npt.NDArray[np.int64]) -> None:
        """Read ``work_found_stays``, ``tenures``; ``chains`` is of the stays in their order."""
        self.stays: dict[tuple[int, str], str | None] = {}
        self.chains: dict[tuple[int, str], int] = {}
        self.of_chain: defaultdict[int, Counter[str | None]] = defaultdict(Counter)
        self.of_person: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.persons: defaultdict[str, set[str]] = defaultdict(set)
        rows = session.rows(
            "SELECT identifier_key, person_id, one_id FROM work_found_stays ORDER BY stay_no"
        )
        for (key, person, one), chain in zip(rows, chains.tolist(), strict=True):
            self._add((int(str(key)), str(person)), None if one is None else str(one), chain)
        self.tenures: defaultdict[int, list[tuple[str, str | None]]] = defaultdict(list)
        self.sizes: Counter[str] = Counter()
        for key, kind, one in session.rows("SELECT identifier_key, kind, one_id FROM tenures"):
            holder = None if one is None else str(one)
            self.tenures[int(str(key))].append((str(kind), holder))
            if holder is not None:
                self.sizes[holder] += 1

    def _add(self, stay: tuple[int, str], one: str | None, chain: int) -> None:
        self.stays[stay], self.chains[stay] = one, chain
        self.of_chain[chain][one] += 1
        if one is not None:
            self.of_person[stay[1]][one] += 1
            self.persons[one].add(stay[1])

    def holders(self, key: int) -> set[str]:
        """The one_ids that hold the identifier at one time or another."""
        return {one for _, one in self.tenures[key] if one is not None}

    def kinds(self, key: int) -> set[str]:
        """The kinds of the identifier's tenures."""
        return {kind for kind, _ in self.tenures[key]}

    def are_apart(self, persons: Sequence[str]) -> bool:
        """Whether no one_id has stays of two of these persons."""
        ones = [one for person in set(persons) for one in self.of_person[person]]
        return len(ones) == len(set(ones))

    def is_with_its_chain(self, stay: tuple[int, str]) -> bool:
        """Whether a stay has the one_id that most others of its chain have, if it has others."""
        one = self.stays.get(stay)
        if one is None:
            return False
        others = self.of_chain[self.chains[stay]].copy()
        others[one] -= 1
        most = max(others.values())
        return most == 0 or others[one] == most


def _shared(one: Instance, found: Found) -> bool:
    is_found = bool(found.kinds(one.keys[0]) & {"shared", "hub"})
    return is_found and found.are_apart(one.persons)


def _handed_over(one: Instance, found: Found) -> bool:
    sides = [(one.keys[0], person) for person in one.persons]
    return found.are_apart(one.persons) and all(found.is_with_its_chain(side) for side in sides)


def _all_one(one: Instance, found: Found) -> bool:
    holders = [found.holders(key) for key in one.keys]
    return len(set().union(*holders)) == 1 and all(holders)


def _alone(one: Instance, found: Found) -> bool:
    (person,), stay = one.persons, (one.keys[-1], one.persons[0])
    own = found.stays.get(stay)
    return own is not None and found.of_person[person][own] == 1


def _hub(one: Instance, found: Found) -> bool:
    return "hub" in found.kinds(one.keys[0])


def _apart(one: Instance, found: Found) -> bool:
    return found.are_apart(one.persons)


def _mistyped(one: Instance, found: Found) -> bool:
    right, wrong = one.keys[0], one.keys[-1]
    (person,) = one.persons
    others = {other for holder in found.holders(wrong) for other in found.persons[holder]}
    return others <= {person} and found.is_with_its_chain((right, person))


def _singletons(one: Instance, found: Found) -> bool:
    holders = [found.holders(key) for key in one.keys]
    return all(len(ones) == 1 and found.sizes[next(iter(ones))] == 1 for ones in holders)


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asked of a trap: the type of its identifiers, the bar, and when it is handled."""

    type: str
    bar: float
    what: str
    is_right: Callable[[Instance, Found], bool]


_TWO = "two persons, the stay of each with the rest of its own"
_ONE = "both values with one person"
_LEFT = "the persons named stay apart"
RULES = {
    "shared_card": Rule("member_card", 0.9, "found shared, its two holders apart", _shared),
    "family_tablet": Rule("device_id", 0.9, "found shared, its two users apart", _shared),
    "recycled_phone": Rule("phone", 0.9, _TWO, _handed_over),
    "sold_device": Rule("device_id", 0.9, _TWO, _handed_over),
    "new_phone": Rule("phone", 0.95, _ONE, _all_one),
    "new_device": Rule("device_id", 0.95, _ONE, _all_one),
    "second_phone": Rule("phone", 0.95, _ONE, _all_one),
    "reinstalled": Rule("device_id", 0.9, "the new device with nothing else of its person", _alone),
    "placeholder_phone": Rule("phone", 1.0, "found to be a hub", _hub),
    "cashier_card": Rule("member_card", 0.9, "found to be a hub", _hub),
    "store_tablet": Rule("device_id", 1.0, "found to be a hub", _hub),
    "small_placeholder": Rule("phone", 0.9, _LEFT, _apart),
    "friend_login": Rule("device_id", 0.9, _LEFT, _apart),
    "spouse_phone": Rule("phone", 0.9, _LEFT, _apart),
    "foreign_phone_in_chat": Rule("phone", 0.9, _LEFT, _apart),
    "mistyped_phone": Rule(
        "phone", 0.9, "the wrong number joins nobody, the right one stays where it was", _mistyped
    ),
    "bot": Rule("device_id", 1.0, "each of its device ids alone", _singletons),
}

_INSTANCES = """
SELECT o.trap, o.decidable, o.person_ids, list(struct_pack(type := n.type,
  key := n.identifier_key) ORDER BY n.place) AS named
FROM work_truth_instances AS o LEFT JOIN work_truth_named AS n ON n.instance_no = o.instance_no
GROUP BY o.instance_no, o.trap, o.decidable, o.person_ids
"""

_NULLISH = """
WITH held AS (
  SELECT DISTINCT bundle_id
  FROM (SELECT bundle_id, unnest(identifiers) AS member FROM bundles)
  WHERE member.type = 'device_id' AND member.identifier_key NOT IN (
    SELECT identifier_key FROM screened WHERE reason = 'blocked'
  )
)
SELECT CAST(coalesce(sum(t.count_events), 0) AS BIGINT),
  CAST(coalesce(sum(t.count_events) FILTER (WHERE h.bundle_id IS NULL), 0) AS BIGINT)
FROM work_truth_events AS t LEFT JOIN held AS h ON h.bundle_id = t.bundle_id
WHERE t.is_nullish
"""


def score(session: Session, chains: npt.NDArray[np.int64]) -> list[TrapScore]:
    """How each trap of identity fared in the release, by name; for traps that were laid.

    Reads ``work_truth_instances``, ``work_truth_named``, ``work_truth_events`` and
    ``work_found_stays``; ``chains`` numbers the stays in their order. Of blank device ids the
    instances are events.
    """
    found = Found(session, chains)
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in session.table(_INSTANCES).to_pylist():
        rule = RULES.get(row["trap"])
        if rule is None:
            continue
        keys = tuple(one["key"] for one in row["named"] if one["type"] == rule.type)
        instance = Instance(tuple(row["person_ids"]), keys)
        counts[row["trap"]].update(_judge(instance, rule, row["decidable"], found))
    scores = [_trap_score(name, RULES[name], counts[name]) for name in counts]
    ((total, right),) = session.rows(_NULLISH)
    if total:
        what = "blocked; the event is kept, and joins nothing by it"
        scores.append(TrapScore(NULLISH, what, 1.0, int(str(total)), int(str(right)), 0, 0))
    return sorted(scores, key=lambda one: one.trap)


def _judge(one: Instance, rule: Rule, is_decidable: bool, found: Found) -> dict[str, int]:
    if is_decidable:
        return {"decidable": 1, "right": int(bool(one.keys) and rule.is_right(one, found))}
    holders = {holder for key in one.keys for holder in found.holders(key)}
    over = any(len(found.persons[holder]) > 2 for holder in holders)
    return {"undecidable": 1, "over_two": int(over)}


def _trap_score(name: str, rule: Rule, count: Counter[str]) -> TrapScore:
    return TrapScore(
        name, rule.what, rule.bar, count["decidable"], count["right"], count["undecidable"],
        count["over_two"],
    )  # fmt: skip
