"""Yesterday's cells made today's: by the days that are new and the days that leave windows.

What can be subtracted is added and subtracted. What cannot is merged again, only for the persons
that such a day touches; a person whose bundles changed is merged anew. Events are not read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from lake.engines.duckdb import quoted, sql_type
from pipelines.tags.cells import ADDED, OF_VALUES, Cell
from pipelines.tags.merging import (
    Relations,
    by_value,
    merged,
    reach,
    slot_name,
    values_of_rows,
)
from pipelines.tags.partials import Slot
from pipelines.tags.windows import AnyWindow, literal, span, word

NEW, OLD, SAME = 1, 2, 3
"""Rows of a date that got rows: as they are now, as they were; and rows of any other date."""
AGAIN = ("least", "most", "first", "first_on")
"""Merged again when rows leave their window; the others tell from the date that theirs left."""


@dataclass(frozen=True, slots=True)
class WorkTable:
    """A work table of the increment and its query; empty where the table ``of`` is empty."""

    name: str
    sql: str
    of: str = ""


@dataclass(frozen=True, slots=True)
class Days:
    """From which date to which, with the ``fresh`` dates that got rows meanwhile."""

    before: date
    day: date
    fresh: tuple[date, ...]

    def shifted(self, cells: Sequence[Cell], dates: Sequence[date]) -> list[date]:
        """Those of ``dates``, not fresh, that a window of ``cells`` has gained or lost."""
        windows = {word(cell.window): cell.window for cell in cells}.values()
        spans = [(span(one, self.before), span(one, self.day)) for one in windows]
        return [
            day for day in dates
            if day not in self.fresh
            and any(old.holds(day) != new.holds(day) for old, new in spans)
        ]


def steps(cells: Sequence[Cell], days: Days) -> list[WorkTable]:
    """Work tables in the order of their making, from which ``result`` is then asked.

    Read are ``person_measures_before`` (of ``days.before``), ``persons``, ``work_moved`` (persons
    whose bundles changed) and ``work_bundle_numbers``; ``partials`` and ``partial_values``, and of
    each ``_fresh``, ``_were`` (before) and ``_shifted``: rows of the dates of ``days``;
    ``partials_again`` and ``partial_values_of_<measure>``: rows of the dates that matter there.
    """
    runs = [cell for cell in cells if cell.kind == "run_from"]
    again = Relations(numbers="partials_again")
    return [
        WorkTable("work_delta", _delta(cells, days)),
        *(WorkTable(f"work_{cell.name}", _fresh_dates(cell, days)) for cell in runs),
        WorkTable("work_again", _again(cells, days)),
        WorkTable(
            "work_again_cells", merged(merged_again(cells), days.day, again, "work_again"),
            "work_again",
        ),
        WorkTable("work_touched", _touched(cells, days)),
        WorkTable("work_values", _values(cells, days), "work_touched"),
        WorkTable(
            "work_moved_cells", merged(cells, days.day, Relations(), "work_moved"), "work_moved"
        ),
        WorkTable("work_changed", _changed(runs)),
    ]


def _can_lose(cell: Cell) -> bool:
    """Whether rows that leave the window may take the cell's extreme with them."""
    return cell.kind in AGAIN and cell.window != "ever"


def merged_again(cells: Sequence[Cell]) -> list[Cell]:
    """The cells that are merged again for whom rows left, or came late."""
    return [cell for cell in cells if _can_lose(cell) or cell.kind == "run_from"]


def _sign(window: AnyWindow, days: Days) -> str:
    """1 where a row enters the window, -1 where it leaves, by kind and date."""
    now, then = span(window, days.day).sql("x.business_date"), span(window, days.before).sql(
        "x.business_date"
    )
    return (
        f"CASE WHEN x.kind = {NEW} AND {now} THEN 1 WHEN x.kind = {OLD} AND {then} THEN -1 "
        f"WHEN x.kind = {SAME} AND {now} AND NOT ({then}) THEN 1 "
        f"WHEN x.kind = {SAME} AND {then} AND NOT ({now}) THEN -1 END"
    )


def _is_gone(window: AnyWindow, days: Days) -> str:
    """Whether the window held the row before and does not hold its date now."""
    now, then = (
        span(window, day).sql("x.business_date") for day in (days.day, days.before)
    )
    return f"x.kind <> {NEW} AND {then} AND NOT ({now})"


def _signed(cells: Sequence[Cell], days: Days) -> str:
    """Rows of the dates that matter with ``kind`` and, per window, what they do to it."""
    windows = {word(cell.window): cell.window for cell in cells}
    columns = sorted({f'x."{slot_name(cell)}"' for cell in cells})
    signs = [f'{_sign(window, days)} AS "sign_{name}"' for name, window in windows.items()]
    signs += [f'{_is_gone(window, days)} AS "gone_{name}"' for name, window in windows.items()]
    rows = " UNION ALL ".join(
        f"SELECT {kind} AS kind, * FROM partials_{name}"
        for kind, name in ((NEW, "fresh"), (OLD, "were"), (SAME, "shifted"))
    )
    listed = ", ".join(["x.business_date", "x.kind", *columns, *signs])
    return f"{Relations().of(f'({rows})', listed)} {_UNMOVED}"


_UNMOVED = "WHERE b.person_no NOT IN (SELECT person_no FROM work_moved)"


def _delta(cells: Sequence[Cell], days: Days) -> str:
    mine = [cell for cell in cells if cell.kind not in (*OF_VALUES, "run_from")]
    if not mine:
        return "SELECT CAST(NULL AS BIGINT) AS person_no WHERE false"
    forms = [f'{_change(cell)} AS "{cell.name}"' for cell in mine]
    forms += [
        f'{_leaving(cell)} AS "left_{cell.name}"' for cell in mine
        if cell.kind == "last" or _can_lose(cell)
    ]
    return (
        f"SELECT person_no, {', '.join(forms)} FROM ({_signed(mine, days)}) GROUP BY person_no"
    )


def _sign_of(cell: Cell) -> str:
    return f'"sign_{word(cell.window)}"'


def _change(cell: Cell) -> str:
    """What the rows do to a cell: a difference, or the extreme of those that came."""
    name, sign = f'"{slot_name(cell)}"', _sign_of(cell)
    came = f"FILTER (WHERE {sign} = 1 AND {name} IS NOT NULL)"
    counted = f"FILTER (WHERE {sign} = 1 AND {name} > 0)"
    left = f"FILTER (WHERE {sign} = -1 AND {name} > 0)"
    forms = {
        "count": f"CAST(COALESCE(SUM({name} * {sign}), 0) AS BIGINT)",
        "sum": f"CAST(COALESCE(SUM({name} * {sign}), 0) AS {sql_type(cell.type)})",
        # All bundles of a person are among the rows of a date, so that its days can be counted.
        "days": f"COUNT(DISTINCT business_date) {counted} - COUNT(DISTINCT business_date) {left}",
        "least": f"MIN({name}) {came}",
        "most": f"MAX({name}) {came}",
        "first": f"MIN({name}) {came}",
        "last": f"MAX({name}) {came}",
        "first_on": f"MIN(business_date) {counted}",
        "last_on": f"MAX(business_date) {counted}",
    }
    return forms[cell.kind]


def _leaving(cell: Cell) -> str:
    """The extreme of the rows that left the cell's window."""
    name, gone = f'"{slot_name(cell)}"', f'"gone_{word(cell.window)}"'
    if cell.kind == "first_on":
        return f"MIN(business_date) FILTER (WHERE {gone} AND {name} > 0)"
    extreme = "MIN" if cell.kind in ("least", "first") else "MAX"
    return f"{extreme}({name}) FILTER (WHERE {gone})"


def _fresh_dates(cell: Cell, days: Days) -> str:
    """Persons who are active on a date on which they were not known to be, and the first such."""
    slot, sign = f'"{slot_name(cell)}"', _sign_of(cell)
    return (
        "SELECT person_no, MIN(business_date) AS first_on FROM (SELECT person_no, business_date "
        f"FROM ({_signed([cell], days)}) WHERE {slot} > 0 GROUP BY person_no, business_date "
        f"HAVING COUNT(*) FILTER (WHERE {sign} = 1) > 0 "
        f"AND COUNT(*) FILTER (WHERE {sign} = -1) = 0) GROUP BY person_no"
    )


def _again(cells: Sequence[Cell], days: Days) -> str:
    late = [
        f"SELECT person_no FROM work_{cell.name} WHERE first_on < {literal(days.day)}"
        for cell in cells if cell.kind == "run_from"
    ]
    # Only who lost the extreme itself; whatever else left was not what the cell holds.
    lost = " OR ".join(
        f'd."left_{cell.name}" {">=" if cell.kind == "most" else "<="} s."{cell.name}"'
        for cell in cells if _can_lose(cell)
    )
    parts = [
        "SELECT d.person_no FROM work_delta AS d JOIN person_measures_before AS s "
        f"ON s.person_no = d.person_no WHERE {lost or 'false'}",
        *late,
    ]
    return f"SELECT DISTINCT person_no FROM ({' UNION ALL '.join(parts)})"


def _touched(cells: Sequence[Cell], days: Days) -> str:
    """Persons and measures whose values a date brought, or took out of a window."""
    mine = [cell for cell in cells if cell.kind in OF_VALUES]
    names = ", ".join(sorted({quoted(Slot("distinct", cell.measure).name) for cell in mine}))
    columns = "bundle_id, business_date, measure, value, count"
    moves = " OR ".join(
        f"(measure = {quoted(Slot('distinct', cell.measure).name)} AND "
        f"({span(cell.window, days.day).sql()}) <> ({span(cell.window, days.before).sql()}))"
        for cell in mine
    )
    rows = (
        f"(SELECT {columns} FROM partial_values_fresh EXCEPT "
        f"SELECT {columns} FROM partial_values_were) UNION ALL SELECT * FROM ("
        f"SELECT {columns} FROM partial_values_fresh UNION ALL "
        f"SELECT {columns} FROM partial_values_shifted) WHERE {moves or 'false'}"
    )
    return (
        f"SELECT DISTINCT person_no, measure FROM ({Relations().of(f'({rows})', 'x.measure')} "
        f"{_UNMOVED}) WHERE measure IN ({names or quoted('')})"
    )


def _values(cells: Sequence[Cell], days: Days) -> str:
    by_measure = by_value(cells)
    if not by_measure:
        return "SELECT CAST(NULL AS BIGINT) AS person_no WHERE false"
    columns = "x.measure, x.value, x.business_date, x.count"
    rows = " UNION ALL ".join(
        f"{Relations().of(f'partial_values_of_{name}', columns)} "
        "JOIN work_touched AS t ON t.person_no = b.person_no AND t.measure = x.measure "
        f"WHERE x.measure = {quoted(name)} AND {reach(mine, days.day).sql('x.business_date')}"
        for name, mine in by_measure.items()
    )
    flags = ", ".join(
        f'BOOL_OR(measure = {quoted(name)}) AS "is_{name}"' for name in by_measure
    )
    merged_cells = values_of_rows([c for c in cells if c.kind in OF_VALUES], days.day, rows)
    return (
        f"SELECT * FROM (SELECT person_no, {flags} FROM work_touched GROUP BY person_no) "
        f"LEFT JOIN ({merged_cells}) USING (person_no)"
    )


def _changed(runs: Sequence[Cell]) -> str:
    """Persons of whom any cell may change, or who have none yet."""
    names = ["work_delta", "work_again", "work_touched", *(f'"work_{run.name}"' for run in runs)]
    parts = " UNION ".join(f"SELECT person_no FROM {name}" for name in names)
    return (
        f"SELECT person_no FROM ({parts} UNION SELECT person_no FROM persons WHERE person_no "
        "NOT IN (SELECT person_no FROM person_measures_before)) "
        "WHERE person_no NOT IN (SELECT person_no FROM work_moved)"
    )


def result(cells: Sequence[Cell], days: Days) -> str:
    """A query of ``person_no`` and each of ``cells`` for every person, from the work tables."""
    quiet = ", ".join(f'{_since_before(cell, days)} AS "{cell.name}"' for cell in cells)
    kept = ", ".join(f'{_kept(cell, days)} AS "{cell.name}"' for cell in cells)
    listed = ", ".join(f'm."{cell.name}"' for cell in cells)
    runs = "".join(
        f' LEFT JOIN "work_{cell.name}" ON "work_{cell.name}".person_no = c.person_no'
        for cell in cells if cell.kind == "run_from"
    )
    sides = {
        "person_measures_before": "s", "work_delta": "d", "work_again": "t",
        "work_again_cells": "a", "work_values": "v",
    }
    joins = "".join(
        f" LEFT JOIN {name} AS {side} ON {side}.person_no = c.person_no"
        for name, side in sides.items()
    )
    return (
        f"SELECT s.person_no, {quiet} FROM person_measures_before AS s "
        "WHERE s.person_no IN (SELECT person_no FROM persons) "
        "AND s.person_no NOT IN (SELECT person_no FROM work_changed) "
        "AND s.person_no NOT IN (SELECT person_no FROM work_moved) "
        f"UNION ALL SELECT c.person_no, {kept} FROM work_changed AS c{joins}{runs} "
        f"UNION ALL SELECT w.person_no, {listed} FROM work_moved AS w "
        "LEFT JOIN work_moved_cells AS m ON m.person_no = w.person_no"
    )


def _since_before(cell: Cell, days: Days) -> str:
    """A cell as the day before left it, less what its window has passed by."""
    before, first = f's."{cell.name}"', span(cell.window, days.day).first
    if cell.kind == "last_on" and first is not None:
        return f"CASE WHEN {before} >= {literal(first)} THEN {before} END"
    return before


def _kept(cell: Cell, days: Days) -> str:
    """A cell of a person whose bundles did not change."""
    s, d, a, v = (f'{side}."{cell.name}"' for side in "sdav")
    if cell.kind in ADDED:
        return f"COALESCE({s}, 0) + COALESCE({d}, 0)"
    if cell.kind in OF_VALUES:
        flag = f'v."is_{Slot("distinct", cell.measure).name}"'
        return f"CASE WHEN {flag} THEN {v} ELSE {s} END"
    if cell.kind == "run_from":
        return f"CASE WHEN t.person_no IS NOT NULL THEN {a} ELSE {_run(cell, days)} END"
    if cell.kind == "last":
        s = f'CASE WHEN {s} <= d."left_{cell.name}" THEN NULL ELSE {s} END'
    if cell.kind == "last_on":
        s = _since_before(cell, days)
    later = cell.kind in ("most", "last", "last_on")
    kept = f"COALESCE({'GREATEST' if later else 'LEAST'}({s}, {d}), {s}, {d})"
    if _can_lose(cell):
        return f"CASE WHEN t.person_no IS NOT NULL THEN {a} ELSE {kept} END"
    return kept


def _run(cell: Cell, days: Days) -> str:
    """A run goes on when its last date was the day before; else it begins with the new date."""
    last = f's."{Cell("last_on", cell.measure, "ever").name}"'
    run = f's."{cell.name}"'
    goes_on = f"DATE_DIFF('day', {last}, {literal(days.day)}) <= 1"
    return (
        f'CASE WHEN "work_{cell.name}".first_on IS NULL OR {goes_on} THEN '
        f"COALESCE({run}, \"work_{cell.name}\".first_on) ELSE {literal(days.day)} END"
    )
