"""Bitmaps and coverage of published dates, described again from tags without the erased person.

Taking a number out of each bitmap would leave the values that nobody else has, so that a date's
bitmaps are made anew from its columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lake import snapshots
from lake.columns import read_columns
from lake.draft import Draft
from lake.engines.duckdb import quoted
from lake.tables import DataFile
from pipelines.tags.published.coded import Coded, coded, whole
from pipelines.tags.published.coverage import coverage_row
from pipelines.tags.published.describe import put_bitmaps, put_everyone
from schemas.table import Table
from schemas.tags import TAG_BITMAPS, TAG_COVERAGE, TAG_VALUES, TAG_VALUES_SPARSE

_SINCE = ("previous_date", "share_known_change", "distance")


def describe_again(draft: Draft, root: Path) -> int:
    """Write bitmaps and coverage anew for each earlier date whose tags the draft has rewritten.

    ``root`` is the folder of the snapshots. Returns how many dates. What moved since the date
    before is left as it was told.
    """
    dates = {
        day for table in (TAG_VALUES, TAG_VALUES_SPARSE)
        for day in draft.changed_dates(table.name)
    }
    described = {
        day for (day,) in draft.session.rows(
            f"SELECT DISTINCT business_date FROM {TAG_BITMAPS.name}"
        )
    }
    chosen = sorted(day for day in dates & described if day != draft.business_date)
    for day in chosen:
        _describe(draft, day, root)
    return len(chosen)


def _describe(draft: Draft, day: date, root: Path) -> None:
    files = [file for file in draft.files(TAG_VALUES.name) if file.d == str(day)]
    told = draft.session.table(
        f"SELECT * FROM {TAG_COVERAGE.name} WHERE business_date = DATE '{day}' ORDER BY tag"
    ).to_pylist()
    numbers = whole(_read(files, ["person_no"])["person_no"]).to_numpy()
    coverage, placed = [], []
    with snapshots.writing(root, TAG_BITMAPS.name) as kept:
        for row, column in _columns(draft, day, files, told, numbers):
            fresh = coverage_row(row["tag"], column, len(numbers), day)
            coverage.append(fresh | {name: row[name] for name in ("is_sparse", *_SINCE)})
            placed.append(put_bitmaps(kept, row["tag"], column))
        put_everyone(kept, numbers)
        version = kept.finish()
    _replace(draft, TAG_COVERAGE, day, coverage)
    _replace(draft, TAG_BITMAPS, day, [
        row | {"version": version, "business_date": day} for row in placed
    ])


def _columns(
    draft: Draft, day: date, files: Sequence[DataFile], told: Sequence[dict[str, Any]],
    numbers: NDArray[np.int64],
) -> Iterator[tuple[dict[str, Any], Coded]]:
    width = int(numbers.max(initial=-1)) + 1
    for row in told:
        if row["is_sparse"]:
            table = draft.session.table(
                f'SELECT person_no, "{row["type"]}" AS value FROM {TAG_VALUES_SPARSE.name} '
                f"WHERE business_date = DATE '{day}' AND tag = {quoted(row['tag'])}"
            )
            owners = whole(table["person_no"]).to_numpy()
            yield row, coded(row["type"], whole(table["value"]), owners, width)
        else:
            column = whole(_read(files, [row["tag"]])[row["tag"]])
            yield row, coded(row["type"], column, numbers, width)


def _read(files: Sequence[DataFile], names: Sequence[str]) -> pa.Table:
    if not files:
        return pa.table({name: pa.nulls(0, pa.int64()) for name in names})
    return read_columns(files, names)


def _replace(draft: Draft, table: Table, day: date, rows: Sequence[dict[str, Any]]) -> None:
    draft.session.register("erase_described", pa.Table.from_pylist(list(rows), table.schema))
    draft.replace_dates(table.name, [day], "SELECT * FROM erase_described ORDER BY tag")
    draft.session.con.unregister("erase_described")
