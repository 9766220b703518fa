"""Coverage and spread of a tag, and how far they are from those of an earlier date.

The distance of two dates is the total variation distance over the bins of the earlier one: the
smallest share of the known who must have changed bins to turn one spread into the other. It is 0
to 1, says what it means, and an empty bin does it no harm, as one does to a PSI.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipelines.tags.published.coded import Coded, plain

LISTED, TENTHS = 20, 10
"""Most values that are counted one by one, and ranges for those that have more."""
Row = Mapping[str, Any]


def coverage_row(tag: str, column: Coded, count_persons: int, day: date) -> dict[str, Any]:
    """The row of ``tag_coverage``, as yet without the change."""
    shape, labels = _bins(column)
    counts, other = counts_in(column, shape, labels)
    known, values = column.count_known, column.values
    ends = [_label(column, place) for place in ((0, len(values) - 1) if len(values) else ())]
    return {
        "business_date": day,
        "tag": tag,
        "type": column.kind,
        "count_persons": count_persons,
        "count_known": known,
        "share_known": round(known / count_persons, 6) if count_persons else 0.0,
        "count_values": len(values),
        "lowest": ends[0] if ends else None,
        "highest": ends[1] if ends else None,
        "shape": shape,
        "bins": [{"value": v, "count": n} for v, n in zip(labels, counts, strict=True)],
        "count_other": other,
    }


def changed(row: Row, column: Coded, before: Row) -> dict[str, Any]:
    """``row`` with the change since ``before``, the tag's row of an earlier date."""
    found = dict(row) | {"previous_date": before["business_date"]}
    found["share_known_change"] = round(row["share_known"] - before["share_known"], 6)
    if before["type"] == column.kind:
        found["distance"] = distance(*both_spreads(column, before))
    return found


def both_spreads(column: Coded, before: Row) -> tuple[list[int], list[int]]:
    """Counts in the bins of ``before``, the rest last: then and now."""
    counts, other = counts_in(column, before["shape"], [one["value"] for one in before["bins"]])
    then = [one["count"] for one in before["bins"]]
    return [*then, before["count_other"]], [*counts, other]


def distance(then: Sequence[int], now: Sequence[int]) -> float | None:
    """Total variation distance of two spreads over the same bins; None where one is empty."""
    sums = sum(then), sum(now)
    if not all(sums):
        return None
    apart = sum(abs(a / sums[0] - b / sums[1]) for a, b in zip(then, now, strict=True))
    return round(min(apart / 2, 1.0), 6)


def counts_in(column: Coded, shape: str, labels: Sequence[str]) -> tuple[list[int], int]:
    """Persons (of lists: mentions) in each bin, and in none."""
    if shape == "ranges":
        ends = np.searchsorted(column.values, _numbers(column, labels), side="right")
        totals = np.concatenate([[0], np.cumsum(column.counts)])
        counts = np.diff(totals[ends], prepend=0).tolist()
    else:
        counts = [int(column.counts[n]) if n >= 0 else 0 for n in _places(column, labels)]
    return counts, int(column.counts.sum()) - sum(counts)


def _bins(column: Coded) -> tuple[str, list[str]]:
    counts = column.counts
    if column.kind in ("boolean", "text", "texts") or len(counts) <= LISTED:
        most = np.argsort(-counts, kind="stable")[:LISTED]
        return "values", [_label(column, int(place)) for place in most]
    totals = np.cumsum(counts)
    wanted = np.ceil(totals[-1] * np.arange(1, TENTHS + 1) / TENTHS)
    ends = np.unique(np.searchsorted(totals, wanted))
    return "ranges", [_label(column, int(place)) for place in ends]


def _label(column: Coded, place: int) -> str:
    value = plain(column.kind, column.values[place])
    return value if isinstance(value, str) else json.dumps(value)


def _numbers(column: Coded, labels: Sequence[str]) -> NDArray[Any]:
    if column.kind == "date":
        return np.array(labels, dtype="datetime64[D]").astype(np.int64)
    return np.array([json.loads(label) for label in labels])


def _places(column: Coded, labels: Sequence[str]) -> list[int]:
    """Where each label is among the values; -1 for one that occurs no more."""
    if isinstance(column.values, pa.StringArray):
        found = pc.index_in(pa.array(labels, pa.string()), value_set=column.values)
        return [-1 if place is None else place for place in found.to_pylist()]
    numbers = _numbers(column, labels)
    places = np.searchsorted(column.values, numbers)
    is_there = places < len(column.values)
    is_there[is_there] = column.values[places[is_there]] == numbers[is_there]
    found_at: list[int] = np.where(is_there, places, -1).tolist()
    return found_at
