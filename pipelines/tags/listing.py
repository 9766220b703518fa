"""The tags of a release as tables to look at: which there are, and how each was known by date."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import pyarrow as pa

from domain.near import meant
from lake.engines.duckdb import Session, quoted
from pipelines.tags.definitions_log import changes, in_force, names_of
from schemas.errors import NotFoundError
from schemas.tags import TAG_COVERAGE

TOLD = ("type", "share_known", "count_known", "count_values", "lowest", "highest")
LISTED = pa.schema([
    pa.field("tag", pa.string()), pa.field("label", pa.string()), pa.field("kind", pa.string()),
    *[TAG_COVERAGE.schema.field(name) for name in TOLD],
])


def listed(session: Session, day: date) -> pa.Table:
    """A row per tag published on ``day``, by name: label, kind, type, and of how many it is known.

    ``session`` shows a release. Columns are those of ``LISTED``; a share is of all persons.
    """
    told = {name: one.fields for name, one in in_force(changes(session)).items()}
    rows = session.table(
        f"SELECT tag, {', '.join(TOLD)} FROM {TAG_COVERAGE.name} "
        f"WHERE business_date = DATE '{day}' ORDER BY tag"
    ).to_pylist()
    given = [{key: told.get(row["tag"], {}).get(key) for key in ("label", "kind")} for row in rows]
    return pa.Table.from_pylist(
        [row | more for row, more in zip(rows, given, strict=True)], schema=LISTED
    )


def coverage_by_date(session: Session, name: str) -> pa.Table:
    """The rows of ``tag_coverage`` of one tag, oldest first, under whatever names it had.

    NotFoundError for a name that no published tag ever had.
    """
    parts = []
    for stretch in names_of(name, changes(session)):
        rows = _rows(session, stretch.name)
        is_held = [stretch.holds(day.as_py()) for day in rows["business_date"]]
        parts.append(rows.filter(pa.array(is_held, pa.bool_())))
    found = pa.concat_tables(parts)
    if not found.num_rows:
        raise _never(name, session.rows(f"SELECT DISTINCT tag FROM {TAG_COVERAGE.name}"))
    return found.sort_by("business_date")


def _rows(session: Session, name: str) -> pa.Table:
    rows = session.table(f"SELECT * FROM {TAG_COVERAGE.name} WHERE tag = {quoted(name)}")
    return rows.cast(TAG_COVERAGE.schema)


def _never(name: str, rows: Iterable[tuple[object, ...]]) -> NotFoundError:
    known = sorted(str(tag) for (tag,) in rows)
    return NotFoundError(
        f"no tag {name!r} was ever published", expected="one of " + (", ".join(known) or "none"),
        got=name, todo=meant(name, known) or "see `guiyi tag check`, which says what is declared",
    )
