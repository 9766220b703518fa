"""Screening: which identifiers unite nothing, because they name nobody or too many.

What may be either is found by one look at every value and one count of every pair; only around
these the rules of ``pipelines.identity.screen`` are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lake.engines.duckdb import Session
from pipelines.edges.evidence import lay_out
from pipelines.edges.graph import Flags, Graph
from pipelines.edges.inputs import BATCH
from pipelines.edges.texts import Ints
from pipelines.identity.evidence import keep
from pipelines.identity.screen import blocking, screen
from schemas.identity_rules import IdentityRules

_MOST_COUNTED = 65_535
VALUES = pa.schema([("identifier_key", pa.int64()), ("type", pa.string()), ("value", pa.string())])


@dataclass(frozen=True, slots=True)
class Screened:
    """The identifiers that unite nothing, by number, in order."""

    numbers: Ints
    reasons: list[str]
    """Of each: blocked or hub."""
    rules: list[str]

    def usable(self, count: int) -> Flags:
        """Of ``count`` identifiers, which are not screened."""
        found = np.ones(count, np.bool_)
        found[self.numbers] = False
        return found


def find_screened(session: Session, graph: Graph, rules: IdentityRules) -> Screened:
    """Every blocked value and hub; makes ``work_screened``, reads ``work_decisions``."""
    doubtful = np.zeros(len(graph.keys), np.bool_)
    doubtful[_matched(session, graph, rules)] = True
    doubtful |= _met_too_many(graph, rules)
    for (number,) in session.rows(
        "SELECT identifier_key_a FROM work_decisions WHERE kind = 'block'"
    ):
        doubtful[int(str(number))] = True
    near = np.flatnonzero(doubtful[graph.a] | doubtful[graph.b])
    lay_out(session, graph, near)
    ends = np.unique(np.concatenate([graph.a[near], graph.b[near]]))
    keep(session, "identifiers", pa.Table.from_batches(values(graph, ends), VALUES))
    screen(session, rules)
    found = session.table(
        "SELECT identifier_key, reason, rule FROM work_screened ORDER BY identifier_key"
    )
    return Screened(
        np.asarray(found["identifier_key"].to_numpy(), np.int64),
        found["reason"].to_pylist(),
        found["rule"].to_pylist(),
    )


def values(graph: Graph, numbers: Ints) -> Iterator[pa.RecordBatch]:
    """(identifier_key, type, value) of identifiers, the key being the number."""
    for start in range(0, len(numbers), BATCH):
        some = numbers[start : start + BATCH]
        types = graph.type_names(some).cast(pa.string())
        yield pa.record_batch([pa.array(some), types, graph.values(some)], schema=VALUES)


def _matched(session: Session, graph: Graph, rules: IdentityRules) -> Ints:
    conditions = [f"({condition})" for _, condition in blocking(rules)]
    if not conditions:
        return np.empty(0, np.int64)
    every = values(graph, np.arange(len(graph.keys)))
    session.register("values_looked_at", pa.RecordBatchReader.from_batches(VALUES, every))
    found = session.table(
        f"SELECT identifier_key FROM values_looked_at WHERE {' OR '.join(conditions)}"
    )
    session.con.unregister("values_looked_at")
    return np.asarray(found["identifier_key"].to_numpy(), np.int64)


def _met_too_many(graph: Graph, rules: IdentityRules) -> Flags:
    """Identifiers with more partners than a limit allows, whoever and whenever they were."""
    limits = [(one.type, [(it.of, it.at_most) for it in one.holders]) for one in rules.types]
    found = np.zeros(len(graph.keys), np.bool_)
    kinds, counts, slots = partners(
        graph, [(type, [of for of, _ in some]) for type, some in limits], ~found
    )
    for place, (_, some) in enumerate(limits, 1):
        mine = kinds == place
        for of, at_most in some:
            slot = slots[place, 1 + [type for type, _ in limits].index(of)]
            found[mine] |= counts[mine, slot] > min(at_most, _MOST_COUNTED - 1)
    return found


def partners(
    graph: Graph, wanted: Iterable[tuple[str, list[str]]], usable: Flags
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16], npt.NDArray[np.int16]]:
    """How many distinct usable partners of each wanted type each usable identifier has.

    ``wanted`` lists types with the types to count, all of them listed themselves. Returns the
    place in the list (from 1, 0 for others) of each identifier's type, the counts up to 65,535,
    and the column of the counts by place and partner's place, -1 without one.
    """
    from pipelines.edges.kernels import count_partners

    listed = list(wanted)
    place = {type: number for number, (type, _) in enumerate(listed, 1)}
    kinds = np.array([place.get(type, 0) for type in graph.types] or [0], np.int16)[graph.kinds]
    slots = np.full((len(listed) + 1, len(listed) + 1), -1, np.int16)
    for type, others in listed:
        for column, other in enumerate(dict.fromkeys(others)):
            slots[place[type], place[other]] = column
    counts = np.zeros((len(graph.keys), 1 + int(slots.max(initial=0))), np.uint16)
    if (slots >= 0).any():
        count_partners(graph.pairs, kinds, slots, usable, counts)
    return kinds, counts, slots
