"""What is written: identifiers, stays and links in order of keys, a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.components.ahead import ahead
from pipelines.components.digests import strings
from pipelines.edges.classes import Classes
from pipelines.edges.contested import Contested
from pipelines.edges.graph import EARLY, LATE, Array, Graph, of_pairs
from pipelines.edges.inputs import BATCH
from pipelines.edges.stays import KINDS, OPEN, Stays
from pipelines.edges.texts import Ints

_CODED = pa.dictionary(pa.int32(), pa.string())
_MOMENT = pa.timestamp("us", tz="UTC")
IDENTITIES = pa.schema([("type", _CODED), ("value", pa.string()), ("one_id", pa.string())])
TENURES = pa.schema(
    [
        ("type", _CODED),
        ("value", pa.string()),
        ("tenure", pa.int32()),
        ("one_id", pa.string()),
        ("kind", _CODED),
        ("valid_from", pa.date32()),
        ("valid_to", pa.date32()),
        ("rule", _CODED),
    ]
)
LINKS = pa.schema(
    [
        ("type_a", _CODED),
        ("value_a", pa.string()),
        ("tenure_a", pa.int32()),
        ("type_b", _CODED),
        ("value_b", pa.string()),
        ("tenure_b", pa.int32()),
        ("status", _CODED),
        ("rule", _CODED),
        ("blocker", pa.string()),
        ("evidence", _CODED),
        ("first_seen", _MOMENT),
        ("last_seen", _MOMENT),
        ("count", pa.int64()),
        ("probability", pa.float64()),
    ]
)
MOVES = pa.schema(
    [
        ("type", _CODED),
        ("value", pa.string()),
        ("tenure", pa.int32()),
        ("one_id_from", pa.string()),
        ("one_id_to", pa.string()),
        ("cause", _CODED),
    ]
)


def write(path: Path, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
    """Write a Parquet file; another thread makes the batches."""
    # Hashes and numbers do not get smaller, so only the coded columns are.
    coded = [field.name for field in schema if pa.types.is_dictionary(field.type)]
    with pq.ParquetWriter(
        path, schema, compression="none", use_dictionary=coded, write_statistics=False,
        store_schema=False,
    ) as writer:  # fmt: skip
        for batch in ahead(batches, 2):
            writer.write_batch(batch, row_group_size=BATCH)


def identities(graph: Graph, stays: Stays) -> Iterator[pa.RecordBatch]:
    """Each identifier with the holder of its last stay, NULL where that has none."""
    for some in _stretches(len(stays.last)):
        at = stays.last[some]
        yield _batch(IDENTITIES, *_identified(graph, stays.numbers[at]), _holders(stays, at))


def tenures(graph: Graph, stays: Stays) -> Iterator[pa.RecordBatch]:
    """Each stay."""
    for at in _stretches(len(stays.numbers)):
        yield _batch(
            TENURES,
            *_identified(graph, stays.numbers[at]),
            stays.tenures[at],
            _holders(stays, at),
            _coded(stays.kinds[at], list(KINDS)),
            _days(stays.valid_from[at]),
            _days(stays.valid_to[at]),
            _coded(stays.rules[at], stays.rule_names),
        )


def new_moves(graph: Graph, stays: Stays) -> Iterator[pa.RecordBatch]:
    """Each stay that has a holder, as one that had none before."""
    held = np.flatnonzero(stays.persons >= 0)
    for some in _stretches(len(held)):
        at = held[some]
        yield _batch(
            MOVES,
            *_identified(graph, stays.numbers[at]),
            stays.tenures[at],
            pa.nulls(len(at), pa.string()),
            _holders(stays, at),
            _coded(np.zeros(len(at), np.int8), ["evidence"]),
        )


class Links:
    """Links in order of their ends: plain pairs as they stand, and those that were settled."""

    def __init__(
        self, graph: Graph, plain: Ints, settled: Contested | None, classes: Classes
    ) -> None:
        self._graph, self._plain, self._classes = graph, plain, classes
        self._rules, self._evidence = _rules(settled), classes.names
        self._settled = _settled_columns(graph, settled, self._rules, self._evidence)

    @property
    def schema(self) -> pa.Schema:
        """Columns of the links; ``probability`` only where some edges have one."""
        if self._graph.rows.probability is not None:
            return LINKS
        return pa.schema([field for field in LINKS if field.name != "probability"])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The links."""
        keys = (self._settled["a"] << 32) | self._settled["b"]
        ends = [*range(BATCH, len(self._plain), BATCH), len(self._plain)]
        start, taken = 0, 0
        for end in ends:
            is_last = end == len(self._plain)
            limit = len(keys)
            if not is_last:
                limit = int(np.searchsorted(keys, self._graph.pairs[self._plain[end]]))
            columns = self._plain_columns(self._plain[start:end])
            if limit > taken:
                columns = _merged(columns, {k: v[taken:limit] for k, v in self._settled.items()})
            start, taken = end, limit
            for some in _stretches(len(columns["a"])):
                yield self._shown({name: column[some] for name, column in columns.items()})

    def _plain_columns(self, chosen: Ints) -> dict[str, Array]:
        graph, count = self._graph, len(chosen)
        rows = graph.rows
        pairs = graph.pairs[chosen]
        first = of_pairs(graph, rows.first, np.minimum, chosen)
        last = of_pairs(graph, rows.last, np.maximum, chosen)
        seen = of_pairs(graph, rows.count, np.add, chosen)
        none = np.zeros(count, np.int32)
        return {
            "a": pairs >> 32,
            "b": pairs & 0xFFFFFFFF,
            "tenure_a": none,
            "tenure_b": none,
            "is_refused": np.zeros(count, np.bool_),
            "blocker": np.full(count, -1, np.int64),
            "first": np.full(count, LATE) if first is None else first,
            "last": np.full(count, EARLY) if last is None else last,
            "count": _row_counts(graph, chosen) if seen is None else seen,
            "probability": _probabilities(graph, chosen),
            "evidence": self._classes.of(chosen),
            "rule": np.zeros(count, np.int32),
        }

    def _shown(self, columns: dict[str, Array]) -> pa.RecordBatch:
        graph = self._graph
        shown: list[Any] = [
            *_identified(graph, columns["a"]),
            columns["tenure_a"],
            *_identified(graph, columns["b"]),
            columns["tenure_b"],
            _coded(columns["is_refused"].astype(np.int8), ["accepted", "refused"]),
            _coded(columns["rule"] - 1, self._rules[1:]),
            _named(graph, columns["blocker"]),
            _coded(columns["evidence"], self._evidence),
            _moments(columns["first"]),
            _moments(columns["last"]),
            columns["count"],
        ]
        if graph.rows.probability is not None:
            shown.append(pa.array(columns["probability"], from_pandas=True))
        return _batch(self.schema, *shown)


def _rules(settled: Contested | None) -> list[str]:
    """The rules that links name, after the empty one."""
    found = [] if settled is None else pc.unique(settled.links["rule"]).drop_null().to_pylist()
    return ["", *sorted(found)]


def _settled_columns(
    graph: Graph, settled: Contested | None, rules: list[str], evidence: list[str]
) -> dict[str, Array]:
    if settled is None:
        wide = ("a", "b", "tenure_a", "tenure_b", "blocker", "first", "last", "count")
        empty: dict[str, Array] = {name: np.empty(0, np.int64) for name in wide}
        narrow = {name: np.empty(0, np.int32) for name in ("rule", "evidence")}
        return empty | narrow | {"is_refused": np.empty(0, np.bool_), "probability": np.empty(0)}
    rows = settled.links
    keys = (rows["a"].to_numpy() << 32) | rows["b"].to_numpy()
    rows = rows.take(np.lexsort((rows["tenure_b"].to_numpy(), rows["tenure_a"].to_numpy(), keys)))
    plain = ("a", "b", "tenure_a", "tenure_b", "count")
    return {
        **{name: np.asarray(rows[name].to_numpy()) for name in plain},
        "is_refused": np.asarray(pc.equal(rows["status"], "refused").to_numpy(), np.bool_),
        "blocker": np.asarray(rows["blocker"].fill_null(-1).to_numpy(), np.int64),
        "first": np.asarray(rows["first_seen"].fill_null(LATE).to_numpy(), np.int64),
        "last": np.asarray(rows["last_seen"].fill_null(EARLY).to_numpy(), np.int64),
        "probability": _probabilities(graph, np.asarray(rows["pair"].to_numpy())),
        "rule": _places(rows["rule"].fill_null(""), rules),
        "evidence": _places(rows["evidence"], evidence),
    }


def _probabilities(graph: Graph, pairs: Ints) -> npt.NDArray[np.float64]:
    found = np.full(len(pairs), np.nan)
    seen = pairs >= 0
    if graph.rows.probability is not None and seen.any():
        # Pairs of settled links are in no order, and after a handover one stands twice.
        chosen, place = np.unique(pairs[seen], return_inverse=True)
        found[seen] = of_pairs(graph, graph.rows.probability, np.fmax, chosen)[place]
    return found


def _row_counts(graph: Graph, chosen: Ints) -> Ints:
    return graph.starts[chosen + 1] - graph.starts[chosen]


def _merged(one: dict[str, Array], other: dict[str, Array]) -> dict[str, Array]:
    joined = {name: np.concatenate([one[name], other[name]]) for name in one}
    order = np.argsort((joined["a"] << 32) | joined["b"], kind="stable")
    return {name: column[order] for name, column in joined.items()}


def _stretches(count: int) -> Iterator[slice]:
    for start in range(0, count, BATCH):
        yield slice(start, min(start + BATCH, count))


def _batch(schema: pa.Schema, *columns: Any) -> pa.RecordBatch:
    return pa.record_batch([pa.array(column) for column in columns], schema=schema)


def _identified(graph: Graph, numbers: Array) -> tuple[pa.Array, pa.Array]:
    return graph.type_names(numbers), graph.values(numbers)


def _holders(stays: Stays, at: Any) -> pa.Array:
    persons = stays.persons[at]
    is_nobody = persons < 0
    if not len(stays.one_ids):
        return pa.nulls(len(persons), pa.string())
    names = strings(stays.one_ids.take(np.maximum(persons, 0), axis=0))
    return pc.if_else(pa.array(is_nobody), None, names) if is_nobody.any() else names


def _coded(places: Array, names: list[str]) -> pa.DictionaryArray:
    """Names by their places; NULL where the place is negative."""
    codes = pa.array(places.astype(np.int32), mask=places < 0)
    return pa.DictionaryArray.from_arrays(codes, pa.array(names, pa.string()))


def _places(names: pa.ChunkedArray, listed: list[str]) -> npt.NDArray[np.int32]:
    return np.asarray(pc.index_in(names, pa.array(listed, pa.string())).to_numpy(), np.int32)


def _days(days: Array) -> pa.Array:
    return pa.array(days, pa.int32(), mask=days == OPEN).cast(pa.date32())


def _moments(moments: Array) -> pa.Array:
    none = (moments == LATE) | (moments == EARLY)
    return pa.array(np.where(none, 0, moments), pa.int64(), mask=none).cast(_MOMENT)


def _named(graph: Graph, numbers: Array) -> pa.Array:
    """type:value of identifiers, NULL where the number is negative."""
    is_known = numbers >= 0
    if not is_known.any():
        return pa.nulls(len(numbers), pa.string())
    known = numbers[is_known]
    types = graph.type_names(known).cast(pa.string())
    names = pc.binary_join_element_wise(types, graph.values(known), ":")
    place = np.cumsum(is_known) - 1
    return names.take(pa.array(place, pa.int64(), mask=~is_known))
