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
    found = np.zeros(len(graph.keys), np.bool_)
    limits = [(one.type, it.of, it.at_most) for one in rules.types for it in one.holders]
    met = partners(graph, [(type, of) for type, of, _ in limits], ~found)
    for type, of, at_most in limits:
        if type in graph.types:
            mine = graph.kinds == graph.types.index(type)
            found[mine] |= met.of(type, of)[mine] > min(at_most, _MOST_COUNTED - 1)
    return found


@dataclass(frozen=True, slots=True)
class Partners:
    """How many distinct partners of some types each identifier has, up to 65,535."""

    counts: npt.NDArray[np.uint16]
    columns: dict[tuple[str, str], int]
    """Of a type and the type of its partners, the column of ``counts``."""

    def of(self, type: str, partner: str) -> npt.NDArray[np.uint16]:
        """The counts; those of other types than ``type`` mean something else."""
        return self.counts[:, self.columns[type, partner]]


def partners(graph: Graph, wanted: Iterable[tuple[str, str]], usable: Flags) -> Partners:
    """Count the usable partners of usable identifiers, for each ``wanted`` (type, partner type)."""
    from pipelines.edges.kernels import count_partners

    pairs = list(dict.fromkeys(wanted))
    place = {type: n for n, type in enumerate(sorted({t for pair in pairs for t in pair}), 1)}
    kinds = np.array([place.get(type, 0) for type in graph.types] or [0], np.int16)[graph.kinds]
    slots = np.full((len(place) + 1, len(place) + 1), -1, np.int16)
    columns: dict[tuple[str, str], int] = {}
    for type, partner in pairs:
        columns[type, partner] = sum(one == type for one, _ in columns)
        slots[place[type], place[partner]] = columns[type, partner]
    counts = np.zeros((len(graph.keys), 1 + max(columns.values(), default=0)), np.uint16)
    if columns:
        count_partners(graph.pairs, kinds, slots, usable, counts)
    return Partners(counts, columns)
