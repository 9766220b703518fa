"""Cells computed from events, without partials: a first load, or a new tag over history."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from lake.engines.duckdb import quoted, sql_type
from pipelines.tags.cells import OF_VALUES, Cell
from pipelines.tags.merging import Relations, by_value, joined, last_run, reach, values_of_rows
from pipelines.tags.partials import MOMENT_OF, rows_query
from pipelines.tags.windows import span


def direct(cells: Sequence[Cell], day: date, bundles: str = Relations().bundles) -> str:
    """A query of ``person_no`` and each of ``cells`` on ``day``, from the sources' rows.

    The same cells as ``merging.merged`` gives. ``bundles`` says whose a bundle was when.
    """
    parts = []
    for source in sorted({cell.measure.source for cell in cells}):
        mine = [c for c in cells if c.measure.source == source and c.kind not in OF_VALUES]
        plain = [cell for cell in mine if cell.kind != "run_from"]
        if plain:
            parts.append(_numbers(plain, day, source, bundles))
        parts += [_runs(cell, day, bundles) for cell in mine if cell.kind == "run_from"]
    values = [cell for cell in cells if cell.kind in OF_VALUES]
    if values:
        parts.append(_values(values, day, bundles))
    return joined(parts, cells)


def _rows(cells: Sequence[Cell], day: date, bundles: str) -> str:
    """Rows that count for one of the cells, inside one of the windows, with their person."""
    source = cells[0].measure.source
    inside = reach(cells, day).sql("x.business_date")
    rows = rows_query(source, [cell.measure for cell in cells])
    return f"{Relations(bundles=bundles).of(f'({rows})')} WHERE {inside}"


def _numbers(cells: Sequence[Cell], day: date, source: str, bundles: str) -> str:
    forms = ", ".join(f'{_form(cell, day)} AS "{cell.name}"' for cell in cells)
    return f"SELECT person_no, {forms} FROM ({_rows(cells, day, bundles)}) GROUP BY person_no"


def _form(cell: Cell, day: date) -> str:
    name, inside = f'"v_{cell.measure.id}"', span(cell.window, day).sql()
    moment = MOMENT_OF.format(v=name)
    counted = f"FILTER (WHERE {name} IS NOT NULL AND {inside})"
    forms = {
        "count": f"CAST(COUNT({name}) FILTER (WHERE {inside}) AS BIGINT)",
        "sum": f"CAST(COALESCE(SUM({name}) {counted}, 0) AS {sql_type(cell.type)})",
        "least": f"MIN({name}) {counted}",
        "most": f"MAX({name}) {counted}",
        "first": f"MIN({moment}) {counted}",
        "last": f"MAX({moment}) {counted}",
        "first_on": f"MIN(business_date) {counted}",
        "last_on": f"MAX(business_date) {counted}",
        "days": f"CAST(COUNT(DISTINCT business_date) {counted} AS BIGINT)",
    }
    return forms[cell.kind]


def _runs(cell: Cell, day: date, bundles: str) -> str:
    inside = span(cell.window, day).sql()
    return last_run(cell, f"SELECT * FROM ({_rows([cell], day, bundles)}) WHERE {inside}")


def _values(cells: Sequence[Cell], day: date, bundles: str) -> str:
    rows = " UNION ALL ".join(
        f"SELECT person_no, {quoted(name)} AS measure, "
        f'CAST("v_{mine[0].measure.id}" AS VARCHAR) AS value, business_date, 1 AS count '
        f"FROM ({_rows(mine, day, bundles)})"
        for name, mine in by_value(cells).items()
    )
    return values_of_rows(cells, day, rows)
