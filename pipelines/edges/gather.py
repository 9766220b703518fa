"""Gathering: rows of edges become pairs of numbers, and each identifier is kept once.

Each identifier is hashed to 96 bits and numbered when it first appears, then brought into its
normal form and keyed. Three threads share the work: one reads, one numbers, one keeps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.components import KeyCodes
from pipelines.components.ahead import ahead
from pipelines.components.digests import fingerprints, identifier_keys
from pipelines.edges.inputs import KEY, MOMENT, Input, extras_of
from pipelines.edges.refusals import CODE, Refusals, Shorts
from pipelines.edges.texts import Ints, Texts, Writing
from pipelines.edges.writing import Writer
from schemas.errors import UsageError

DEPTH = 6
"""Batches that each thread may be ahead of the next."""
_MOST = 2**31 - 1
_ROW = {
    "source": pa.int32(), "first_seen": MOMENT, "last_seen": MOMENT, "count": pa.int64(),
    "probability": pa.float64(),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Gathered:
    """Every identifier as it came, by number, and the rows of edges between the numbers."""

    types: list[str]
    kinds: npt.NDArray[np.int32]
    """Of each identifier the place of its type in ``types``."""
    texts: Texts
    """Its value: in normal form where it has one."""
    keys: Ints
    """Its identifier_key, with an empty secret."""
    reasons: Shorts
    """Why it names nothing: a code of ``REASONS``, 0 where it does."""
    sources: list[str]
    """Names of the sources; a row without one has the empty name."""
    rows: pa.Table
    """a, b (numbers) and the optional columns that any input has, ``source`` as its place."""
    count_rows: int
    """Rows that came, with those refused."""


def gather(
    inputs: Sequence[Input],
    writer: Writer,
    refusals: Refusals,
    folder: Path,
    known: frozenset[str] | None = None,
    declared: frozenset[str] = frozenset(),
) -> Gathered:
    """Read everything; ``folder`` is for what does not stay in memory.

    ``known`` are the types that are taken, all with None; one that differs from a ``declared`` by
    case or blanks alone is misspelt, and would escape its limits.
    """
    extras = extras_of(inputs)
    with _Gathering(folder, extras, writer, known, declared) as work:
        batches = (batch for one in inputs for batch in one.read(extras))
        found = work.number(refusals.sift(batch) for batch in ahead(batches, DEPTH))
        for ends in ahead(found, DEPTH):
            for types, values in ends:
                work.keep(types, values)
    return work.done(sum(one.rows for one in inputs))


class _Gathering:
    def __init__(
        self,
        folder: Path,
        extras: Sequence[str],
        writer: Writer,
        known: frozenset[str] | None,
        declared: frozenset[str],
    ) -> None:
        self._codes, self._writer, self._known = KeyCodes(), writer, known
        self._declared = declared
        self._types, self._sources = pa.array([], pa.string()), pa.array([""], pa.string())
        self._texts = Writing(folder / "identifiers.bytes")
        self._keys, self._kinds, self._reasons = ([np.empty(0, t)] for t in ("i8", "i4", "i1"))
        fields = [("a", pa.int32()), ("b", pa.int32()), *((name, _ROW[name]) for name in extras)]
        self._schema, self._path = pa.schema(fields), folder / "rows.arrow"
        self._rows = pa.ipc.new_file(self._path, self._schema)

    def __enter__(self) -> _Gathering:
        return self

    def __exit__(self, *_: object) -> None:
        self._rows.close()
        self._texts.close()

    def number(
        self, batches: Iterator[pa.RecordBatch]
    ) -> Iterator[list[tuple[pa.DictionaryArray, pa.StringArray]]]:
        """Write the rows; per batch, types and values of the identifiers that come first in it."""
        for batch in batches:
            ends, found = [], []
            for side in (KEY[:2], KEY[2:]):
                types, values = (batch[name] for name in side)
                end, new = self._codes.encode(*fingerprints(types, values))
                ends.append(end.astype(np.int32))
                found.append((types.take(new), values.take(new)))
            if len(self._codes) > _MOST:
                raise UsageError("too many identifiers", expected=f"at most {_MOST:,}", got="more")
            extras = [self._extra(name, batch[name]) for name in self._schema.names[2:]]
            self._rows.write_batch(pa.record_batch([*ends, *extras], schema=self._schema))
            yield found

    def _extra(self, name: str, column: pa.Array) -> pa.Array:
        if name != "source":
            return column
        names = pc.fill_null(column, "").dictionary_encode()
        return self._places("_sources", names)

    def keep(self, types: pa.DictionaryArray, values: pa.StringArray) -> None:
        """Write identifiers in normal form, and key them."""
        values, reasons = self._writer.write(types, values)
        if self._known is not None:
            listed = [name in self._known for name in types.dictionary.to_pylist()]
            is_listed = np.array(listed, np.bool_)[types.indices.to_numpy()]
            reasons[~is_listed] = CODE["unknown_type"]
        meant = [name.strip().lower() for name in types.dictionary.to_pylist()]
        is_misspelt = [
            name not in self._declared and near in self._declared
            for name, near in zip(types.dictionary.to_pylist(), meant, strict=True)
        ]
        reasons[np.array(is_misspelt, np.bool_)[types.indices.to_numpy()]] = CODE["misspelt_type"]
        self._texts.add(values)
        self._keys.append(identifier_keys(types, values))
        self._kinds.append(self._places("_types", types).to_numpy())
        self._reasons.append(reasons)

    def _places(self, name: str, column: pa.DictionaryArray) -> pa.Int32Array:
        """The values by their places in the list ``name``, which takes up new ones."""
        listed = getattr(self, name)
        missing = column.dictionary.filter(pc.invert(pc.is_in(column.dictionary, listed)))
        if len(missing):
            listed = pa.concat_arrays([listed, missing.unique()])
            setattr(self, name, listed)
        return pc.index_in(column.dictionary, listed).take(column.indices)

    def done(self, count_rows: int) -> Gathered:
        """What was gathered."""
        with pa.memory_map(str(self._path)) as file:
            rows = pa.ipc.open_file(file).read_all()
        arrays: list[npt.NDArray[Any]] = [
            np.concatenate(parts) for parts in (self._keys, self._kinds, self._reasons)
        ]
        keys, kinds, reasons = arrays
        return Gathered(
            self._types.to_pylist(), kinds, self._texts.done(), keys, reasons,
            self._sources.to_pylist(), rows, count_rows,
        )  # fmt: skip
