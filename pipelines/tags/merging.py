"""Cells merged from partials: of the persons that are named, from the days that are shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from lake.engines.duckdb import quoted, sql_type
from pipelines.tags.cells import OF_VALUES, Cell
from pipelines.tags.measures import SOURCES
from pipelines.tags.partials import Slot
from pipelines.tags.windows import AnyWindow, Span, span, word

_JOIN = (
    "JOIN {bundles} AS b ON b.bundle_id = x.bundle_id "
    "AND b.valid_from <= x.business_date AND x.business_date < b.valid_to"
)


@dataclass(frozen=True, slots=True)
class Relations:
    """Names of relations: partials, their values, and whose a bundle was when.

    ``bundles`` has ``bundle_id, valid_from, valid_to, person_no``; a row goes to whom its bundle
    belonged on the row's own business date. Without it rows have their ``person_no`` already.
    """

    numbers: str = "partials"
    values: str = "partial_values"
    bundles: str = "work_bundle_numbers"

    def of(self, relation: str, columns: str = "x.*", persons: str | None = None) -> str:
        """Rows of ``relation`` with their ``person_no``, of ``persons`` only where given."""
        if not self.bundles:
            only = f" JOIN {persons} AS t ON t.person_no = x.person_no" if persons else ""
            listed = columns if columns == "x.*" else f"x.person_no, {columns}"
            return f"SELECT {listed} FROM {relation} AS x{only}"
        only = f" JOIN {persons} AS t ON t.person_no = b.person_no" if persons else ""
        return (
            f"SELECT b.person_no, {columns} FROM {relation} AS x "
            f"{_JOIN.format(bundles=self.bundles)}{only}"
        )


def merged(
    cells: Sequence[Cell], day: date, relations: Relations, persons: str | None = None
) -> str:
    """A query of ``person_no`` and each of ``cells`` on ``day``.

    ``persons`` names a relation with a column ``person_no``; only these are merged, and of their
    rows only those up to ``day``. A person without any row may be missing.
    """
    numbers = [c for c in cells if c.kind not in OF_VALUES and c.kind != "run_from"]
    by_source = [[c for c in numbers if c.measure.source == one] for one in SOURCES]
    parts = [
        *(_numbers(mine, day, relations, persons) for mine in by_source if mine),
        *(_runs(cell, day, relations, persons) for cell in cells if cell.kind == "run_from"),
        _values(cells, day, relations, persons),
    ]
    return joined([part for part in parts if part], cells)


def joined(parts: Sequence[str], cells: Sequence[Cell]) -> str:
    """Queries of some of ``cells`` each, by ``person_no``, as one query of all of them."""
    if not parts:
        return "SELECT CAST(NULL AS BIGINT) AS person_no WHERE false"
    query = f"({parts[0]})"
    for number, part in enumerate(parts[1:]):
        sides = f"{query} AS l{number} FULL JOIN ({part}) AS r{number}"
        query = f"(SELECT * FROM {sides} USING (person_no))"
    listed = ", ".join(f'"{cell.name}"' for cell in cells)
    return f"SELECT person_no{', ' if listed else ''}{listed} FROM {query}"


def _numbers(
    cells: Sequence[Cell], day: date, relations: Relations, persons: str | None
) -> str:
    columns = sorted({f'x."{slot_name(cell)}"' for cell in cells})
    listed = ", ".join(["x.source", "x.business_date", *columns])
    rows = relations.of(relations.numbers, listed, persons)
    forms = ", ".join(f'{_form(cell, day)} AS "{cell.name}"' for cell in cells)
    # One source at a time: a file is sorted by it, so that the rows of others are not read.
    return (
        f"SELECT person_no, {forms} FROM ({rows}) WHERE source = "
        f"{quoted(cells[0].measure.source)} AND {_until(cells, day)} GROUP BY person_no"
    )


def slot_name(cell: Cell) -> str:
    """The column of ``partials`` that a cell is merged from."""
    kind = cell.kind if cell.kind in ("sum", "least", "most", "first", "last") else "count"
    return Slot(kind, cell.measure).name


def reach(cells: Iterable[Cell], day: date) -> Span:
    """From the first date that any of the cells' windows holds, to ``day``."""
    firsts = [span(cell.window, day).first for cell in cells]
    known = [first for first in firsts if first is not None]
    return Span(min(known) if known and len(known) == len(firsts) else None, day)


def _until(cells: Iterable[Cell], day: date, column: str = "business_date") -> str:
    return reach(cells, day).sql(column)


def _form(cell: Cell, day: date) -> str:
    name, inside = f'"{slot_name(cell)}"', span(cell.window, day).sql()
    plain = f"FILTER (WHERE {inside})"
    counted = f"FILTER (WHERE {name} > 0 AND {inside})"
    forms = {
        "count": f"CAST(COALESCE(SUM({name}) {plain}, 0) AS BIGINT)",
        "sum": f"CAST(COALESCE(SUM({name}) {plain}, 0) AS {sql_type(cell.type)})",
        "least": f"MIN({name}) {plain}",
        "most": f"MAX({name}) {plain}",
        "first": f"MIN({name}) FILTER (WHERE {name} IS NOT NULL AND {inside})",
        "last": f"MAX({name}) FILTER (WHERE {name} IS NOT NULL AND {inside})",
        "first_on": f"MIN(business_date) {counted}",
        "last_on": f"MAX(business_date) {counted}",
        "days": f"CAST(COUNT(DISTINCT business_date) {counted} AS BIGINT)",
    }
    return forms[cell.kind]


def _runs(cell: Cell, day: date, relations: Relations, persons: str | None) -> str:
    """First date of the last run of dates without a gap."""
    slot = f'"{slot_name(cell)}"'
    rows = relations.of(relations.numbers, f"x.business_date, x.{slot}", persons)
    inside = span(cell.window, day).sql()
    return last_run(cell, f"SELECT * FROM ({rows}) WHERE {slot} > 0 AND {inside}")


def last_run(cell: Cell, rows: str) -> str:
    """The cell ``run_from`` of rows of ``person_no, business_date``."""
    return (
        f'SELECT person_no, MAX(business_date) AS "{cell.name}" FROM ('
        "SELECT person_no, business_date, LAG(business_date) OVER ("
        "PARTITION BY person_no ORDER BY business_date) AS before "
        f"FROM (SELECT DISTINCT person_no, business_date FROM ({rows}))) "
        "WHERE before IS NULL OR DATE_DIFF('day', before, business_date) > 1 GROUP BY person_no"
    )


def _values(
    cells: Sequence[Cell], day: date, relations: Relations, persons: str | None
) -> str:
    mine = [cell for cell in cells if cell.kind in OF_VALUES]
    if not mine:
        return ""
    rows = " UNION ALL ".join(
        relations.of(
            relations.values, "x.measure, x.value, x.business_date, x.count", persons
        ) + f" WHERE x.measure = {quoted(name)} AND {_until(some, day, 'x.business_date')}"
        for name, some in by_value(mine).items()
    )
    return values_of_rows(mine, day, rows)


def by_value(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """The cells that are made of values, by the name of their measure."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        if cell.kind in OF_VALUES:
            found.setdefault(Slot("distinct", cell.measure).name, []).append(cell)
    return dict(sorted(found.items()))


def values_of_rows(cells: Sequence[Cell], day: date, rows: str) -> str:
    """The cells of values from rows of ``person_no, measure, value, business_date, count``."""
    windows: dict[str, AnyWindow] = {word(cell.window): cell.window for cell in cells}
    counts = ", ".join(
        f'COALESCE(SUM(count) FILTER (WHERE {span(window, day).sql()}), 0) AS "n_{name}"'
        for name, window in sorted(windows.items())
    )
    forms = ", ".join(f'{_of_values(cell)} AS "{cell.name}"' for cell in cells)
    return (
        f"SELECT person_no, {forms} FROM (SELECT person_no, measure, value, {counts} "
        f"FROM ({rows}) GROUP BY person_no, measure, value) GROUP BY person_no"
    )


def _of_values(cell: Cell) -> str:
    """Ties: of two values had equally often, the lesser comes first."""
    times = f'"n_{word(cell.window)}"'
    measure = quoted(Slot("distinct", cell.measure).name)
    inside = f"FILTER (WHERE measure = {measure} AND {times} > 0)"
    if cell.kind == "distinct":
        return f"CAST(COUNT(*) {inside} AS BIGINT)"
    if cell.kind == "frequent":
        return f"(MIN({{'rank': -{times}, 'value': value}}) {inside}).value"
    return f"(LIST(value ORDER BY {times} DESC, value) {inside})[1:{cell.n}]"
