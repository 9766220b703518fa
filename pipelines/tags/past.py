"""A tag over all dates, under whatever names it was published."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from lake.engines.duckdb import Session, quoted
from pipelines.tags.definitions_log import Change, Stretch, changes, differing, names_of
from pipelines.tags.published import show_whole, sparse_on
from schemas.errors import NotFoundError
from schemas.tag_definitions import Tag


def values_over_dates(session: Session, name: str, tags: Sequence[Tag] = ()) -> pa.Table:
    """``business_date, one_id, person_no, value`` of a tag on every published date.

    ``session`` shows a release; ``name`` is the tag's present name or any former one. Where the
    tag was published under another name, or is known of nobody, that is what its past was.
    """
    parts = [
        f'SELECT business_date, one_id, person_no, "{stretch.name}" AS value FROM tag_values '
        f"WHERE business_date IN ({', '.join(quoted(str(day)) for day in dates)})"
        for stretch, dates in _published(session, name, tags)
    ]
    if not parts:
        raise _never(session, name)
    ordered = " ORDER BY business_date, person_no"
    return session.table(" UNION ALL ".join(parts) + ordered)


def coverage_over_dates(
    session: Session, name: str, tags: Sequence[Tag] = ()
) -> list[dict[str, Any]]:
    """Per date its name then, how many persons there were, and of how many it was known."""
    found = []
    for stretch, dates in _published(session, name, tags):
        listed = ", ".join(quoted(str(day)) for day in dates)
        rows = session.rows(
            f'SELECT business_date, count(*), count("{stretch.name}") FROM tag_values '
            f"WHERE business_date IN ({listed}) GROUP BY business_date"
        )
        found += [
            {"business_date": day, "name": stretch.name, "persons": persons, "known": known,
             "share_known": round(int(str(known)) / int(str(persons)), 6)}
            for day, persons, known in rows
        ]
    return sorted(found, key=lambda row: str(row["business_date"]))


def history_of(session: Session, name: str, tags: Sequence[Tag] = ()) -> list[dict[str, Any]]:
    """Every change of a tag's definition, oldest first, with the fields that differ.

    NotFoundError for a name that no tag ever had.
    """
    known = changes(session)
    stretches = names_of(name, known, tags)
    found: list[dict[str, Any]] = []
    before: dict[str, Any] = {}
    for one in known:
        if any(stretch.has(one) for stretch in stretches):
            now = {} if one.change == "removed" else one.fields
            told = {} if one.change in ("created", "removed") else differing(before, now)
            found.append(_told(one, told))
            before = now
    if not found and not any(tag.name == stretches[0].name for tag in tags):
        raise _never(session, name)
    return found


def _told(one: Change, fields: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    return {
        "business_date": one.business_date, "changed_at": one.changed_at, "author": one.author,
        "change": one.change, "tag": one.tag, "previous_name": one.previous_name,
        "fingerprint": one.fingerprint, "fields": fields, "definition": one.fields,
    }


def _published(
    session: Session, name: str, tags: Sequence[Tag]
) -> list[tuple[Stretch, list[date]]]:
    """The tag's names with the dates on which it was published under each.

    A date on which nobody had a value tells by the table of coverage, or not at all.
    """
    stretches = names_of(name, changes(session), tags)
    names = [stretch.name for stretch in stretches]
    show_whole(session, sparse_on(session), names)
    columns = {str(row[0]) for row in session.rows("DESCRIBE tag_values")}
    found, taken = [], set[date]()
    for stretch in stretches:
        dates = set(_dates(session, stretch.name, stretch.name in columns))
        dates = {day for day in dates - taken if stretch.holds(day)}
        taken |= dates
        if dates and stretch.name in columns:
            found.append((stretch, sorted(dates)))
    return found


def _dates(session: Session, name: str, is_column: bool) -> list[date]:
    query = f"SELECT business_date FROM tag_coverage WHERE tag = {quoted(name)}"
    if is_column:
        query += (
            f' UNION SELECT business_date FROM tag_values WHERE "{name}" IS NOT NULL '
            "GROUP BY business_date"
        )
    return [day for (day,) in session.rows(query)]  # type: ignore[misc]


def _never(session: Session, name: str) -> NotFoundError:
    known = sorted({one.tag for one in changes(session)})
    return NotFoundError(
        f"there was never a tag {name!r}",
        expected="one of " + ", ".join(known) if known else "a published tag; none is yet",
        got=name, todo="a tag has a past from the first release that is published with it",
    )
