"""Who holds what from when to when: the contested and the plain put together, in order of keys.

A person is called after its least identifier_key; an edge has no event to be born of. Of a value
that changed hands the first stay goes by the key alone and a later one by the key and its number.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.components.digests import one_ids
from pipelines.edges.contested import STAYS, Contested
from pipelines.edges.graph import Flags, Graph
from pipelines.edges.proof import hold
from pipelines.edges.screening import Screened
from pipelines.edges.texts import Ints
from schemas.identity_rules import IdentityRules

KINDS = ("sole", "handover", "shared", "alone", "blocked", "hub")
OPEN = np.iinfo(np.int32).min
"""The day of a border that is open."""
Small = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Stays:
    """A row per stay, in order of identifier and stay."""

    numbers: Ints
    tenures: Small
    persons: Small
    """Who holds it: a place in ``one_ids``, -1 for nobody."""
    kinds: npt.NDArray[np.int8]
    rules: npt.NDArray[np.int16]
    """Of what is screened, the place of its rule in ``rule_names``; else -1."""
    valid_from: Small
    """Days since 1970, or ``OPEN``."""
    valid_to: Small
    last: Ints
    """Of each identifier the place of its last stay."""
    one_ids: npt.NDArray[np.uint8]
    """ASCII, (persons, 25)."""
    rule_names: list[str]

    def counts(self) -> dict[str, int]:
        """Stays of each kind."""
        found = np.bincount(self.kinds, minlength=len(KINDS)).tolist()
        return dict(zip(KINDS, found, strict=True))

    def largest(self) -> int:
        """Identifiers of the person who has most."""
        held = self.persons >= 0
        persons, numbers = self.persons[held].astype(np.int64), self.numbers[held]
        # The stays of one value with one person stand side by side.
        order = np.argsort(persons, kind="stable")
        persons, numbers = persons[order], numbers[order]
        again = (persons[1:] == persons[:-1]) & (numbers[1:] == numbers[:-1])
        return int(np.bincount(persons[np.append(True, ~again)[: len(persons)]]).max(initial=0))


def put_together(
    graph: Graph,
    rules: IdentityRules,
    first: Small,
    screened: Screened,
    contested: Flags,
    settled: Contested | None,
) -> Stays:
    """The stays of every identifier; ``first`` labels the components of those not screened."""
    count = len(graph.keys)
    held = np.bincount(_numbers(settled), minlength=count)
    rows = np.where(contested, held, 1)
    hold(bool((rows > 0).all()) and not (held[~contested]).any(), "every identifier has its stays")
    numbers = np.repeat(np.arange(count), rows)
    plain = screened.usable(count) & ~contested
    roots, person_of = _plain_persons(graph, rules, first, plain)
    total = len(numbers)
    persons, tenures = person_of[first[numbers]], np.zeros(total, np.int32)
    persons[~plain[numbers]] = -1
    kinds = np.where(persons >= 0, KINDS.index("sole"), KINDS.index("alone")).astype(np.int8)
    begun, ended = np.full(total, OPEN, np.int32), np.full(total, OPEN, np.int32)
    names = [one_ids(graph.keys[roots])]
    if settled is not None:
        mine = np.flatnonzero(contested[numbers])
        held_by, more = _contested_persons(graph, settled.stays)
        persons[mine] = np.where(held_by >= 0, held_by + len(roots), -1)
        names.append(more)
        tenures[mine] = settled.stays["tenure"].to_numpy()
        kinds[mine] = _kinds(settled.stays)
        begun[mine] = _days(settled.stays, "valid_from")
        ended[mine] = _days(settled.stays, "valid_to")
    last = np.cumsum(rows) - 1
    ruled = np.full(total, -1, np.int16)
    rule_names = sorted(set(screened.rules))
    at = last[screened.numbers]
    kinds[at] = [KINDS.index(reason) for reason in screened.reasons]
    ruled[at] = [rule_names.index(rule) for rule in screened.rules]
    return Stays(
        numbers, tenures, persons, kinds, ruled, begun, ended, last, np.concatenate(names),
        rule_names,
    )  # fmt: skip


def _numbers(settled: Contested | None) -> Ints:
    if settled is None:
        return np.empty(0, np.int64)
    return np.asarray(settled.stays["number"].to_numpy(), np.int64)


def _kinds(stays: pa.Table) -> npt.NDArray[np.int8]:
    places = pc.index_in(stays["kind"], pa.array(KINDS))
    return np.asarray(places.to_numpy(), np.int8)


def _days(stays: pa.Table, name: str) -> Small:
    days = stays[name].combine_chunks().cast(pa.int32()).fill_null(OPEN)
    return np.asarray(days.to_numpy(), np.int32)


def _plain_persons(
    graph: Graph, rules: IdentityRules, first: Small, plain: Flags
) -> tuple[Ints, Small]:
    """The least numbers of the plain persons, and by least number the place of the person or -1."""
    never = [one.type for one in rules.types if not one.may_stand_alone]
    is_weak = np.array([type in never for type in graph.types] or [False], np.bool_)
    is_named = np.zeros(len(graph.keys), np.bool_)
    is_named[first[plain & ~is_weak[graph.kinds]]] = True
    roots = np.flatnonzero(is_named)
    place = np.full(len(graph.keys), -1, np.int32)
    place[roots] = np.arange(len(roots))
    return roots, place


def _contested_persons(graph: Graph, stays: pa.Table) -> tuple[Small, npt.NDArray[np.uint8]]:
    """Per stay the place of its holder or -1, and the one_ids of the holders."""
    least = np.asarray(stays["least"].fill_null(-1).to_numpy(), np.int64)
    holders, place = np.unique(least, return_inverse=True)
    is_held = holders >= 0
    keys, later = graph.keys[holders[is_held] // STAYS], holders[is_held] % STAYS
    names = one_ids(keys)
    for at in np.flatnonzero(later).tolist():
        names[at] = np.frombuffer(later_name(int(keys[at]), int(later[at])).encode(), np.uint8)
    return (place - np.count_nonzero(~is_held)).astype(np.int32), names


def later_name(key: int, tenure: int) -> str:
    """The one_id of who is called after a later stay of the identifier ``key``."""
    return "p" + hashlib.sha256(f"{key}|{tenure}".encode()).hexdigest()[:24]
