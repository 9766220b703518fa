"""Publishes what goes with the tag values of a date: bitmaps, coverage, and the gate of jumps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyroaring import BitMap

from lake.columns import read_columns
from lake.draft import Draft
from lake.engines.duckdb import quoted
from lake.packs import packed
from lake.snapshots import Writing
from pipelines.tags.published import bitmaps
from pipelines.tags.published.coded import Coded, coded, whole
from pipelines.tags.published.containers import of_flags, padded, stored
from pipelines.tags.published.coverage import both_spreads, changed, coverage_row
from pipelines.tags.published.jumps import (
    jumps,
    largest_moves,
    require_known_tags,
    require_steady,
)
from pipelines.tags.published.layout import sparse_tags
from pipelines.tags.published.reader import EVERYONE, file_of
from pipelines.tags.vocabulary import tag_values_table
from schemas.table import Table
from schemas.tag_bounds import TagBounds
from schemas.tag_definitions import Tag
from schemas.tags import TAG_BITMAPS, TAG_COVERAGE, TAG_VALUES, TAG_VALUES_SPARSE

_CELLS = 8_000_000
"""Values held at once: few columns of many persons, or many of few."""


def publish_description(
    draft: Draft, tags: Sequence[Tag], bounds: TagBounds, kept: Writing
) -> str:
    """Write bitmaps into ``kept`` and the tables ``tag_coverage`` and ``tag_bitmaps``.

    Reads ``tag_values`` of the draft's date and the earlier ``tag_coverage``. Gives the version
    of the snapshot. QualityError (exit 3) when a tag moved beyond ``bounds``: nothing is kept.
    """
    require_known_tags(bounds, tags)
    earlier = _earlier(draft, tags)
    coverage: list[dict[str, Any]] = []
    placed: list[dict[str, Any]] = []
    moved: dict[str, str] = {}
    sparse = sparse_tags(draft, tags)
    person_no = whole(_read(draft, TAG_VALUES.schema, ["person_no"])["person_no"]).to_numpy()
    for tag, column in _columns(draft, tags, sparse, person_no):
        row = coverage_row(tag.name, column, len(person_no), draft.business_date)
        row["is_sparse"] = tag in sparse
        before = earlier.get(tag.name)
        if before is not None:
            row = changed(row, column, before)
            if row.get("distance"):
                labels = [one["value"] for one in before["bins"]]
                moved[tag.name] = largest_moves(labels, *both_spreads(column, before))
        coverage.append(row)
        placed.append(put_bitmaps(kept, tag.name, column))
    require_steady(jumps(bounds, tags, coverage), draft.business_date, moved)
    put_everyone(kept, person_no)
    version = kept.finish()
    for row in placed:
        row |= {"version": version, "business_date": draft.business_date}
    _replace(draft, TAG_COVERAGE, coverage)
    _replace(draft, TAG_BITMAPS, placed)
    return version


def put_bitmaps(kept: Writing, tag: str, column: Coded) -> dict[str, Any]:
    """Add a tag's bitmaps to the snapshot; returns its row of ``tag_bitmaps`` as yet unplaced."""
    blobs = bitmaps.blobs(column)
    about = bitmaps.about(column)
    content = packed(about, blobs)
    kept.add(file_of(tag), content)
    count = sum(name not in ("values", "ends") for name in blobs)
    return {
        "tag": tag, "form": about["form"], "count_bitmaps": count, "count_bytes": len(content),
    }


def _columns(
    draft: Draft, tags: Sequence[Tag], sparse: Sequence[Tag], person_no: NDArray[np.int64]
) -> Iterator[tuple[Tag, Coded]]:
    """Each tag with its column, a few columns at a time."""
    width = int(person_no.max(initial=-1)) + 1
    columns = [tag for tag in tags if tag not in sparse]
    some = max(1, _CELLS // max(len(person_no), 1))
    for start in range(0, len(columns), some):
        group = columns[start : start + some]
        table = _read(draft, tag_values_table(group).schema, [tag.name for tag in group])
        for tag in group:
            yield tag, coded(tag.type, whole(table[tag.name]), person_no, width)
    for tag in sparse:
        table = draft.session.table(
            f'SELECT person_no, "{tag.type}" AS value FROM {TAG_VALUES_SPARSE.name} WHERE '
            f"business_date = DATE '{draft.business_date}' AND tag = {quoted(tag.name)}"
        )
        owners = whole(table["person_no"]).to_numpy()
        yield tag, coded(tag.type, whole(table["value"]), owners, width)


def _read(draft: Draft, schema: pa.Schema, names: Sequence[str]) -> pa.Table:
    day = str(draft.business_date)
    files = [file for file in draft.files(TAG_VALUES.name) if file.d == day]
    return read_columns(files, names) if files else schema.empty_table()


def put_everyone(kept: Writing, person_no: NDArray[np.int64]) -> None:
    """Add the bitmap of all persons to the snapshot."""
    kept.add(EVERYONE, packed({}, {EVERYONE: stored(_everyone(person_no))}))


def _everyone(person_no: NDArray[np.int64]) -> BitMap:
    flags = np.zeros(padded(int(person_no.max(initial=-1)) + 1), dtype=bool)
    flags[person_no] = True
    return of_flags(flags)


def _earlier(draft: Draft, tags: Sequence[Tag]) -> dict[str, dict[str, Any]]:
    """The rows of the last date before the draft's that has coverage, by the tag's present name."""
    before = f"business_date < DATE '{draft.business_date}'"
    found = draft.session.table(
        f"SELECT * FROM {TAG_COVERAGE.name} WHERE business_date = "
        f"(SELECT max(business_date) FROM {TAG_COVERAGE.name} WHERE {before})"
    )
    rows = {row["tag"]: row for row in found.to_pylist()}
    named = {tag.name: [tag.name, *tag.formerly] for tag in tags}
    return {
        tag: rows[next(name for name in names if name in rows)]
        for tag, names in named.items()
        if any(name in rows for name in names)
    }


def _replace(draft: Draft, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    draft.session.register("described", pa.Table.from_pylist(list(rows), schema=table.schema))
    draft.replace_dates(
        table.name, [draft.business_date], "SELECT * FROM described ORDER BY tag"
    )
    draft.session.execute("DROP VIEW described")
