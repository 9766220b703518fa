"""The graph: identifiers numbered in order of their keys, and every pair of them once.

The numbers and the pairs are a function of the set of edges. Whatever follows counts, sorts and
names by them alone, so that neither the order nor the split of the input can show.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.edges.gather import Gathered
from pipelines.edges.refusals import CODE, Refusals
from pipelines.edges.texts import Ints, Texts
from schemas.errors import QualityError

LATE, EARLY = np.iinfo(np.int64).max, np.iinfo(np.int64).min
"""First and last sight of what has no date: the least and the greatest of others passes them."""
LOW = 0xFFFFFFFF
Flags = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]
_MANY = 1 << 22


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that are edges, as they came: several may be of one pair."""

    pairs: Ints
    first: Ints | None
    """Microseconds since 1970 in UTC, ``LATE`` without a date; None where no input has dates."""
    last: Ints | None
    """The same, ``EARLY`` without a date."""
    count: Ints | None
    source: npt.NDArray[np.int32] | None
    probability: npt.NDArray[np.float64] | None
    """NaN where a row has none."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Identifiers 0 … n - 1 in order of identifier_key, and the distinct pairs of them in order."""

    types: list[str]
    kinds: npt.NDArray[np.int32]
    keys: Ints
    places: Ints
    """Where in ``texts`` the value stands."""
    texts: Texts
    sources: list[str]
    rows: Rows
    pairs: Ints
    """Smaller number in the upper half, larger in the lower."""
    starts: Ints
    """Where the rows of each pair begin in ``order``; one more than there are pairs."""
    order: Ints | None
    """Rows sorted by pair; None where rows have nothing but their pair."""

    @property
    def a(self) -> Ints:
        """The smaller number of each pair."""
        return self.pairs >> 32

    @property
    def b(self) -> Ints:
        """The larger number of each pair."""
        return self.pairs & LOW

    def values(self, numbers: Array) -> pa.StringArray:
        """The values of identifiers."""
        return self.texts.take(self.places[numbers])

    def type_names(self, numbers: Array) -> pa.DictionaryArray:
        """The types of identifiers."""
        return pa.DictionaryArray.from_arrays(
            self.kinds[numbers], pa.array(self.types, pa.string())
        )


def build(gathered: Gathered, refusals: Refusals) -> Graph:
    """The graph of what was gathered; rows whose ends name nothing or the same are refused.

    QualityError where two identifiers have one key.
    """
    is_usable = gathered.reasons == 0
    keys, places, numbers = _number(gathered, is_usable)
    rows = _rows(gathered, numbers, refusals)
    keys, places = _leave_out_unused(rows, keys, places)
    order, pairs, starts = _distinct(rows)
    types, kinds = _types(gathered, places)
    return Graph(
        types, kinds, keys, places, gathered.texts, gathered.sources,
        rows, pairs, starts, order,
    )  # fmt: skip


def _number(gathered: Gathered, is_usable: Flags) -> tuple[Ints, Ints, Ints]:
    """The keys in order, where each one's text is, and each gathered identifier's number or -1."""
    usable = np.flatnonzero(is_usable)
    found = gathered.keys[usable]
    keys, one, inverse = np.unique(found, return_index=True, return_inverse=True)
    places = usable[one]
    if len(keys) < len(usable):
        twin = places[inverse]
        at = gathered.texts.first_difference(gathered.kinds, usable, twin)
        if at >= 0:
            both = ", ".join(_masked(gathered, int(place)) for place in (usable[at], twin[at]))
            raise QualityError(
                "two identifiers have the same identifier_key",
                expected="identifiers with keys of their own",
                got=both,
                todo="leave one of the two out",
            )
    numbers = np.full(len(is_usable), -1, np.int64)
    numbers[usable] = inverse
    return keys, places, numbers


def _leave_out_unused(rows: Rows, keys: Ints, places: Ints) -> tuple[Ints, Ints]:
    """Keys and places of the identifiers that some row has; the rows are numbered anew."""
    is_used = np.zeros(len(keys), np.bool_)
    is_used[rows.pairs >> 32] = is_used[rows.pairs & LOW] = True
    if is_used.all():
        return keys, places
    number = np.cumsum(is_used) - 1
    rows.pairs[:] = (number[rows.pairs >> 32] << 32) | number[rows.pairs & LOW]
    return keys[is_used], places[is_used]


def _types(gathered: Gathered, places: Ints) -> tuple[list[str], npt.NDArray[np.int32]]:
    """The types that occur, by name, and of each identifier the place of its type."""
    kinds = gathered.kinds[places]
    found = sorted(gathered.types[kind] for kind in np.unique(kinds).tolist())
    place = np.array([found.index(t) if t in found else -1 for t in gathered.types] or [0], "i4")
    return found, place[kinds]


def _masked(gathered: Gathered, place: int) -> str:
    return f"{gathered.types[gathered.kinds[place]]} {gathered.keys[place]}"


def _rows(gathered: Gathered, numbers: Ints, refusals: Refusals) -> Rows:
    table, pairs, kept = gathered.rows, [np.empty(0, np.int64)], []
    for batch in table.to_batches():
        one, other = (batch[name].to_numpy() for name in ("a", "b"))
        a, b = numbers[one], numbers[other]
        reasons = np.maximum(gathered.reasons[one], gathered.reasons[other])
        reasons[(reasons == 0) & (a == b)] = CODE["same_on_both_sides"]
        is_good = reasons == 0
        kept.append(is_good)
        if not is_good.all():
            _refuse(gathered, one[~is_good], other[~is_good], reasons[~is_good], refusals)
            a, b = a[is_good], b[is_good]
        pairs.append((np.minimum(a, b) << 32) | np.maximum(a, b))
    names = table.column_names[2:]
    if names and not all(part.all() for part in kept):
        table = table.filter(pa.array(np.concatenate(kept)))
    columns = {name: _column(table[name]) for name in names}
    return Rows(
        np.concatenate(pairs), *_dates(columns), columns.get("count"), columns.get("source"),
        columns.get("probability"),
    )  # fmt: skip


def _refuse(
    gathered: Gathered, one: Array, other: Array, reasons: Array, refusals: Refusals
) -> None:
    types = pa.array(gathered.types, pa.string())
    columns: list[pa.Array] = []
    for places in (one, other):
        columns.append(types.take(pa.array(gathered.kinds[places])))
        columns.append(gathered.texts.take(places))
    refusals.take(columns, reasons)


def _column(column: pa.ChunkedArray) -> Array:
    if pa.types.is_timestamp(column.type):
        return np.asarray(column.cast(pa.int64()).fill_null(EARLY).to_numpy(), np.int64)
    if pa.types.is_floating(column.type):
        return np.asarray(column.to_numpy(), np.float64)
    return np.asarray(column.fill_null(1).to_numpy())


def _dates(columns: dict[str, Array]) -> tuple[Ints | None, Ints | None]:
    """First and last sight; where one is missing it is the other."""
    first, last = (columns.get(name) for name in ("first_seen", "last_seen"))
    if first is None and last is None:
        return None, None
    one = first if first is not None else last
    other = last if last is not None else first
    assert one is not None
    assert other is not None
    first, last = np.where(one == EARLY, other, one), np.where(other == EARLY, one, other)
    return np.where(first == EARLY, LATE, first), last


def _distinct(rows: Rows) -> tuple[Ints | None, Ints, Ints]:
    extras = (rows.first, rows.count, rows.source, rows.probability)
    if all(column is None for column in extras):
        order, ordered = None, rows.pairs
        ordered.sort()
    else:
        order = np.argsort(rows.pairs)
        ordered = rows.pairs[order]
    is_start = np.ones(len(ordered), np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_start[1:])
    starts = np.flatnonzero(is_start)
    return order, ordered[starts], np.append(starts, len(ordered))


def of_pairs(graph: Graph, column: Array | None, how: np.ufunc, chosen: Ints | None = None) -> Any:
    """``how`` (np.minimum, np.maximum or np.add) over each pair's rows; None without the column.

    ``chosen`` are places of pairs; all with None.
    """
    if column is None or graph.order is None:
        return None
    if chosen is None:
        return _reduced(graph, column, how, 0, len(graph.pairs))
    # A stretch of the pairs at a time, for most calls ask for neighbours.
    low, high = (int(chosen[0]), int(chosen[-1]) + 1) if len(chosen) else (0, 0)
    return _reduced(graph, column, how, low, high)[chosen - low]


def _reduced(graph: Graph, column: Array, how: np.ufunc, low: int, high: int) -> Array:
    if low == high:
        return np.empty(0, column.dtype)
    assert graph.order is not None
    start, stop = graph.starts[low], graph.starts[high]
    found: Array = how.reduceat(column[graph.order[start:stop]], graph.starts[low:high] - start)
    return found
