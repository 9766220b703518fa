"""A tag's column as codes: the values that occur, rising, and each person's place among them.

Everything that is published of a tag beside its column follows from this: bitmaps, slices, the
counts of values, and what moved since the day before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyroaring import BitMap

from pipelines.tags.published.containers import of_flags, of_sorted, padded
from schemas.tag_definitions import Type

Codes = NDArray[np.uint32]
Values: TypeAlias = Any
"""An array of numpy, or of texts by Arrow."""
_FEW = 32
"""So few values are found one by one faster than by sorting."""
_TABLE_SPAN = 4
"""Integers over fewer than so many times their count are ranked by a table, else by sorting."""


@dataclass(frozen=True, slots=True)
class Coded:
    """``values`` rise and all occur; ``counts`` says how many persons have each.

    ``codes`` by person number, padded to whole containers: 0 unknown, else place among
    ``values`` + 1. A column of lists has ``listed`` instead (person numbers, rising within each
    value), and 1 in ``codes`` where known.
    """

    kind: Type
    values: Values
    counts: NDArray[np.int64]
    codes: Codes
    listed: NDArray[np.uint32] | None = None

    @property
    def count_known(self) -> int:
        """Persons of whom the value is known, an empty list included."""
        return int(np.count_nonzero(self.codes))

    def members(self) -> Iterator[BitMap]:
        """For each value who has it."""
        width = len(self.codes)
        if self.listed is None and len(self.values) <= _FEW:
            narrow = self.codes.astype(np.uint8)
            yield from (of_flags(narrow == place + 1) for place in range(len(self.values)))
            return
        ordered = self.listed
        if ordered is None:
            short = self.codes.astype(np.uint16) if len(self.values) < 65_535 else self.codes
            ordered = np.argsort(short, kind="stable").astype(np.uint32)
            ordered = ordered[width - self.count_known :]
        ends = np.cumsum(self.counts)
        for start, end in zip(ends - self.counts, ends, strict=True):
            yield of_sorted(ordered[start:end], width)


def coded(kind: Type, column: pa.Array, person_no: NDArray[np.int64], width: int) -> Coded:
    """``column`` with the number of the person of each row; all numbers are below ``width``."""
    width = padded(width)
    if kind == "texts":
        return _coded_lists(column, person_no, width)
    codes = np.zeros(width, dtype=np.uint32)
    if column.null_count == len(column):
        return Coded(kind, _nothing(kind), np.zeros(0, np.int64), codes)
    values, ranks = _ranked(kind, column)
    ranks += np.uint32(1)
    if column.null_count:
        ranks *= column.is_valid().to_numpy(zero_copy_only=False)
    codes[person_no] = ranks
    return Coded(kind, values, np.bincount(ranks, minlength=len(values) + 1)[1:], codes)


def plain(kind: Type, value: Any) -> Any:
    """A value of ``Coded.values`` as the Python value that definitions write."""
    if kind == "date":
        return str(np.datetime64(int(value), "D"))
    if kind == "boolean":
        return bool(value)
    return value.as_py() if isinstance(value, pa.Scalar) else value.item()


def _nothing(kind: Type) -> Values:
    return pa.array([], pa.string()) if kind == "text" else np.zeros(0, np.int64)


def _ranked(kind: Type, column: pa.Array) -> tuple[Values, Codes]:
    """Rising values and the rank of each row; that of an unknown one says nothing."""
    if kind == "text":
        return _ranked_texts(column)
    if kind == "boolean":
        column = column.cast(pa.uint8())
    elif kind == "date":
        column = column.cast(pa.int32())
    if column.null_count:
        # A value that occurs, so that it adds none.
        column = column.fill_null(pc.min(column))
    numbers = column.to_numpy()
    if kind == "number":
        return _ranked_by_sorting(numbers)
    return _ranked_by_table(numbers.astype(np.int64, copy=False))


def _ranked_by_table(numbers: NDArray[np.int64]) -> tuple[Values, Codes]:
    least = int(numbers.min())
    span = int(numbers.max()) - least + 1
    if span > _TABLE_SPAN * len(numbers) + 1_024:
        return _ranked_by_sorting(numbers)
    places = numbers - least
    occurs = np.zeros(span, dtype=bool)
    occurs[places] = True
    ranks = np.cumsum(occurs, dtype=np.uint32) - np.uint32(1)
    return np.flatnonzero(occurs) + least, ranks[places]


def _ranked_by_sorting(numbers: NDArray[Any]) -> tuple[Values, Codes]:
    order = np.argsort(numbers)
    rising = numbers[order]
    is_new = np.empty(len(rising), dtype=bool)
    is_new[0] = True
    # What is no number (NaN) comes last and is one value, as in SQL.
    is_new[1:] = (rising[1:] != rising[:-1]) & (rising[:-1] == rising[:-1])
    ranks = np.empty(len(rising), dtype=np.uint32)
    ranks[order] = np.cumsum(is_new, dtype=np.uint32) - np.uint32(1)
    return rising[is_new] + 0, ranks


def _ranked_texts(column: pa.Array) -> tuple[pa.StringArray, Codes]:
    held = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    indices = held.indices.fill_null(0).to_numpy()
    occurs = np.zeros(len(held.dictionary), dtype=bool)
    occurs[held.indices.drop_null().to_numpy()] = True
    order = pc.sort_indices(held.dictionary).to_numpy()
    order = order[occurs[order]]
    ranks = np.zeros(len(occurs), dtype=np.uint32)
    ranks[order] = np.arange(len(order), dtype=np.uint32)
    return held.dictionary.take(pa.array(order)).cast(pa.string()), ranks[indices]


def _coded_lists(column: pa.Array, person_no: NDArray[np.int64], width: int) -> Coded:
    codes = np.zeros(width, dtype=np.uint32)
    codes[person_no[column.is_valid().to_numpy(zero_copy_only=False)]] = 1
    rows = pc.list_parent_indices(column).to_numpy()
    values, ranks = _ranked_texts(pc.list_flatten(column))
    # Once each, by value and then by person.
    pairs = np.unique(ranks.astype(np.uint64) << np.uint64(32) | person_no[rows].astype(np.uint64))
    of_value = (pairs >> np.uint64(32)).astype(np.uint32)
    persons = (pairs & np.uint64(0xFFFFFFFF)).astype(np.uint32)
    counts = np.bincount(of_value, minlength=len(values))
    return Coded("texts", values, counts, codes, persons)


def whole(column: pa.ChunkedArray) -> pa.Array:
    """The chunks of a column as one array."""
    joined = column.combine_chunks()
    return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined
