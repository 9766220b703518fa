"""Plain connected components of identifiers: Arrow batches of string edges in, Parquet out.

Each identifier is hashed to 96 bits and numbered, its edge united, and its text kept on disk when
it first appears. No Python object is made per edge, and three threads share the work: one reads,
one numbers and unites, one keeps what is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.engines.duckdb import Session
from pipelines.components.ahead import ahead
from pipelines.components.codes import KeyCodes
from pipelines.components.digests import fingerprints, identifier_keys, one_ids, strings
from pipelines.components.union import Components
from schemas.errors import QualityError

Ints = npt.NDArray[np.int64]
BATCH = 122_880
DEPTH = 6
"""Batches that each thread may be ahead of the next."""

_COLUMNS = ["type_a", "value_a", "type_b", "value_b"]
_KEPT = pa.schema([("type", pa.int32()), ("value", pa.string())])
_WRITTEN = pa.schema(
    [
        ("type", pa.dictionary(pa.int32(), pa.string())),
        ("value", pa.string()),
        ("one_id", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class PlainCounts:
    """What was united."""

    count_edges: int
    count_identifiers: int
    count_persons: int
    largest_person: int
    """Identifiers of the person who has most."""


def read_edges(paths: Iterable[Path]) -> Iterator[pa.RecordBatch]:
    """The edges of Parquet files, types as dictionaries: the fastest way to ``resolve_plain``."""
    for path in paths:
        with pq.ParquetFile(path, read_dictionary=["type_a", "type_b"], memory_map=True) as file:
            yield from file.iter_batches(BATCH, columns=_COLUMNS)


def query_edges(session: Session, sql: str) -> Iterator[pa.RecordBatch]:
    """The edges that a SELECT of (type_a, value_a, type_b, value_b) gives."""
    yield from session.con.sql(f"SELECT {', '.join(_COLUMNS)} FROM ({sql})").to_arrow_reader(BATCH)


def resolve_plain(edges: Iterable[pa.RecordBatch], out: Path) -> PlainCounts:
    """Write ``out``, Parquet of (type, value, one_id): each identifier of ``edges`` and its person.

    ``edges`` are batches of (type_a, value_a, type_b, value_b), strings without nulls. ``one_id``
    is 'p' and 24 hex digits of the SHA-256 over the decimal text of the person's smallest
    ``identifier_key``, that of ``domain.identifiers`` with an empty secret. Identifiers stand in
    the order in which they come first. QualityError where two persons have the same smallest key.
    """
    with TemporaryDirectory(dir=out.parent) as folder:
        kept = Path(folder) / "identifiers.arrow"
        gathered = _Gathering().gather(edges, kept)
        return gathered.write(kept, out)


class _Gathering:
    def __init__(self) -> None:
        self._codes, self._graph, self._count_edges = KeyCodes(), Components(), 0
        self._types = pa.array([], pa.string())
        self._keys = [np.empty(0, np.int64)]

    def gather(self, edges: Iterable[pa.RecordBatch], kept: Path) -> _Gathering:
        """Number and unite all, and write what is new to ``kept``: (type code, value) by code."""
        with pa.ipc.new_file(kept, _KEPT) as file:
            for found in ahead(self._find(ahead(edges, DEPTH)), DEPTH):
                for types, values in found:
                    self._keys.append(identifier_keys(types, values))
                    file.write_batch(pa.record_batch([self._known(types), values], schema=_KEPT))
        return self

    def _find(
        self, edges: Iterable[pa.RecordBatch]
    ) -> Iterator[list[tuple[pa.DictionaryArray, pa.StringArray]]]:
        """Per batch, types and values of the identifiers that come for the first time."""
        for batch in edges:
            ends, found = [], []
            for types, values in (batch.columns[:2], batch.columns[2:]):
                types, values = _coded(types), values.cast(pa.string())
                end, new = self._codes.encode(*fingerprints(types, values))
                ends.append(end)
                found.append((types.take(new), values.take(new)))
            self._graph.grow(len(self._codes))
            self._graph.unite(*ends)
            self._count_edges += len(batch)
            yield found

    def _known(self, types: pa.DictionaryArray) -> pa.Int32Array:
        """The types by their places in ``_types``, which takes up new ones."""
        missing = types.dictionary.filter(pc.invert(pc.is_in(types.dictionary, self._types)))
        if len(missing):
            self._types = pa.concat_arrays([self._types, missing.unique()])
        return pc.index_in(types.dictionary, self._types).take(types.indices)

    def write(self, kept: Path, out: Path) -> PlainCounts:
        """Write the identifiers with their persons."""
        first, least = self._graph.first(), self._least()
        is_root = first == np.arange(len(first))
        least = least[is_root]
        if len(least) > 1 and np.diff(np.sort(least)).min() == 0:
            raise QualityError(
                "two persons have the same smallest identifier_key",
                expected="identifiers with keys of their own",
                got="two identifiers whose SHA-256 agree in 63 bits",
                todo="leave one of the two out",
            )
        person = (np.cumsum(is_root, dtype=np.int32) - 1)[first]
        sizes = np.bincount(person, minlength=1)
        options = {"compression": "none", "use_dictionary": ["type"], "write_statistics": False}
        with pq.ParquetWriter(out, _WRITTEN, store_schema=False, **options) as writer:
            for table in ahead(self._named(kept, person, one_ids(least)), 2):
                writer.write_table(table)
        return PlainCounts(self._count_edges, len(first), len(least), int(sizes.max()))

    def _least(self) -> Ints:
        """At each root the least key of its component."""
        from pipelines.components.kernels import least_of_each

        keys = np.concatenate(self._keys)
        least = keys.copy()
        least_of_each(self._graph.first(), keys, least)
        return least

    def _named(
        self, kept: Path, person: npt.NDArray[np.int32], names: npt.NDArray[np.uint8]
    ) -> Iterator[pa.Table]:
        with pa.memory_map(str(kept)) as source, pa.ipc.open_file(source) as file:
            place = 0
            for number in range(file.num_record_batches):
                batch = file.get_batch(number)
                one_id = strings(names.take(person[place : place + len(batch)], axis=0))
                place += len(batch)
                types = pa.DictionaryArray.from_arrays(batch["type"], self._types)
                yield pa.table({"type": types, "value": batch["value"], "one_id": one_id})


def _coded(types: pa.Array) -> pa.DictionaryArray:
    kind = pa.dictionary(pa.int32(), pa.string())
    if pa.types.is_dictionary(types.type):
        return types.cast(kind)
    return types.cast(pa.string()).dictionary_encode()
