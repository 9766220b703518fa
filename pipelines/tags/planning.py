"""What computing tags would do, before it does: the queries, and what they read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

import sqlglot

from lake.draft import Draft
from pipelines.tags.cells import OF_VALUES, Cell, all_cells
from pipelines.tags.direct import direct
from pipelines.tags.factory import tag_query
from pipelines.tags.free_queries import tables_read
from pipelines.tags.increment import Days, merged_again, result, steps
from pipelines.tags.measures import SOURCES
from pipelines.tags.merging import by_value, reach
from pipelines.tags.partials import numbers, numbers_step, slots_held, slots_of, values_step
from pipelines.tags.state import held_cells
from pipelines.tags.windows import span
from schemas.measured import Measured
from schemas.tag_definitions import Tag
from schemas.tags import MODEL_SCORES, PARTIAL_VALUES, PARTIALS, PERSON_MEASURES


@dataclass(frozen=True, slots=True)
class Read:
    """One thing that is read: files of a table, ``scans`` times; rows and bytes of one scan.

    Bytes are those of whole files: of a wide one only the columns asked for are read.
    """

    why: str
    table: str
    first: date | None
    last: date | None
    dates: int
    rows: int
    bytes: int
    scans: int = 1


@dataclass(frozen=True, slots=True)
class Query:
    """A query, by the name of what it makes."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Plan:
    """How tags would be computed on ``day``, on top of what was released of ``before``."""

    day: date
    before: date | None
    tags: tuple[str, ...]
    by_increment: tuple[str, ...]
    direct: tuple[str, ...]
    new_measures: tuple[str, ...]
    batch_only: tuple[str, ...]
    daily: tuple[Read, ...]
    """What every further date reads, beside the rows of the date itself."""
    once: tuple[Read, ...]
    """What is new reads of history, once."""
    like_the_last: tuple[Read, ...]
    """The rows of the last released date: about what the new date will bring."""
    queries: tuple[Query, ...]


def plan(
    draft: Draft, tags: Sequence[Tag], names: Collection[str], kept: Sequence[Measured]
) -> Plan:
    """The plan of the tags called ``names``, which ``draft`` (as yet untouched) would compute.

    ``tags`` are these with all that they are made of, ``kept`` all that partials are kept of.
    What is chosen follows from what the last release remembers, as a release chooses; rows still
    to come are not known yet.
    """
    cells = all_cells(tags)
    held = held_cells(draft, cells)
    fresh = [cell for cell in cells if cell not in held]
    slots = slots_of(cells)
    missing = sorted({slot.name for slot in slots} - slots_held(draft))
    before = draft.parent.business_date if draft.parent else None
    days = Days(before or draft.business_date, draft.business_date, ())
    daily = _of_state(draft, held, days) + _of_others(draft, tags)
    once = _of_history(draft, fresh) + _of_partials(draft, [*tags, *kept], missing)
    return Plan(
        day=draft.business_date,
        before=before,
        tags=tuple(names),
        by_increment=tuple(cell.name for cell in held),
        direct=tuple(cell.name for cell in fresh),
        new_measures=tuple(missing),
        batch_only=tuple(tag.name for tag in tags if tag.sql is not None),
        daily=tuple(daily),
        once=tuple(once),
        like_the_last=tuple(_of_last_date(draft)),
        queries=tuple(_queries(draft, tags, held, fresh, days)),
    )


def _read(
    draft: Draft, why: str, table: str, dates: Collection[date] | None = None, scans: int = 1
) -> Read:
    """The files of a table that are read; all when ``dates`` is None."""
    wanted = None if dates is None else {day.isoformat() for day in dates}
    files = [file for file in draft.files(table) if wanted is None or file.d in wanted]
    found = sorted({date.fromisoformat(file.d) for file in files if file.d})
    return Read(
        why, table, found[0] if found else None, found[-1] if found else None, len(found),
        sum(file.rows for file in files), sum(file.size for file in files), scans,
    )


def _of_state(draft: Draft, held: Sequence[Cell], days: Days) -> list[Read]:
    if not held:
        return []
    found = [_read(draft, f"state of {days.before}", PERSON_MEASURES.name)]
    for name in (PARTIALS.name, PARTIAL_VALUES.name):
        shifted = days.shifted(held, _dates(draft, name))
        found.append(_read(draft, "dates that a window gains or loses", name, shifted))
    reaches = [(PARTIALS.name, merged_again(held))]
    reaches += [(PARTIAL_VALUES.name, some) for some in by_value(held).values()]
    for name, some in reaches:
        if some:
            within = reach(some, days.day)
            dates = [day for day in _dates(draft, name) if within.holds(day)]
            found.append(_read(draft, "at most: of persons whom such a date touches", name, dates))
    return found


def _of_others(draft: Draft, tags: Sequence[Tag]) -> list[Read]:
    found = [_read(draft, "whose a bundle is", name) for name in ("bundle_persons", "persons")]
    if any(tag.model for tag in tags):
        found.append(_read(draft, "scores of the date alone", MODEL_SCORES.name, ()))
    for tag in tags:
        if tag.sql is not None:
            why = f"free query of {tag.name}"
            found += [_read(draft, why, name) for name in tables_read(tag)]
    return found


def _of_history(draft: Draft, fresh: Sequence[Cell]) -> list[Read]:
    """The sources' rows that cells read which no state holds, one line per source."""
    found = []
    for source in SOURCES:
        mine = [cell for cell in fresh if cell.measure.source == source]
        if not mine:
            continue
        spans = [span(cell.window, draft.business_date) for cell in mine]
        dates = [
            day for day in _dates(draft, source) if any(one.holds(day) for one in spans)
        ]
        values = {cell.measure.id for cell in mine if cell.kind in OF_VALUES}
        runs = [cell for cell in mine if cell.kind == "run_from"]
        plain = [cell for cell in mine if cell.kind not in (*OF_VALUES, "run_from")]
        scans = len(values) + len(runs) + bool(plain)
        found.append(_read(draft, "cells that no state holds", source, dates, scans))
    return found


def _of_partials(
    draft: Draft, kept: Sequence[Measured], missing: Sequence[str]
) -> list[Read]:
    """A new measure is kept of every date, and every date's partials are made anew with it."""
    found = []
    slots = slots_of(all_cells(kept))
    for source in SOURCES if missing else ():
        mine = [slot for slot in slots if slot.measure.source == source]
        tall = [slot for slot in mine if slot not in numbers(mine)]
        scans = len(tall) + (len(tall) < len(mine))
        found.append(_read(draft, "partials of every date, made anew", source, None, scans))
    return found


def _of_last_date(draft: Draft) -> list[Read]:
    if draft.parent is None:
        return []
    last = [draft.parent.business_date]
    return [_read(draft, f"as on {last[0]}", source, last) for source in SOURCES]


def _dates(draft: Draft, source: str) -> list[date]:
    return sorted({date.fromisoformat(file.d) for file in draft.files(source) if file.d})


def _queries(
    draft: Draft, tags: Sequence[Tag], held: Sequence[Cell], fresh: Sequence[Cell], days: Days
) -> list[Query]:
    slots = slots_of([*held, *fresh])
    found = []
    for name, step, wanted in (
        ("partials", numbers_step(slots), numbers(slots)),
        ("partial_values", values_step(slots), [s for s in slots if s not in numbers(slots)]),
    ):
        if wanted and step.sql is not None:
            found.append(Query(name, step.sql.sql(dialect="duckdb", pretty=True)))
    if held:
        found += [Query(step.name, _pretty(step.sql)) for step in steps(held, days)]
        found.append(Query("cells by increment", _pretty(result(held, days))))
    if fresh:
        found.append(Query("cells direct", _pretty(direct(fresh, draft.business_date))))
    values = tag_query(tags, draft.business_date, "work_measures")
    return [*found, Query("tag_values", values.sql(dialect="duckdb", pretty=True))]


def _pretty(sql: str) -> str:
    return sqlglot.parse_one(sql, dialect="duckdb").sql(dialect="duckdb", pretty=True)
