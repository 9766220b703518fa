"""The cells of every person on a draft's date: from yesterday's where they are held, else direct.

Both plans give the same table ``person_measures``; which one made a cell is of no consequence.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import date

import pyarrow as pa
from sqlglot import parse_one

from lake.draft import Draft
from lake.engines.cluster import Relation, Target
from lake.engines.duckdb import sql_type
from lake.tables import DataFile
from pipelines.tags.cells import ADDED, Cell, all_cells
from pipelines.tags.direct import direct
from pipelines.tags.increment import Days, merged_again, result, steps
from pipelines.tags.measures import SOURCES
from pipelines.tags.merging import by_value, reach
from pipelines.tags.partials import fresh_dates, partials_table, products_changed, slots_of
from schemas.events import PRODUCTS
from schemas.identity import BUNDLE_PERSONS, PERSONS
from schemas.measured import Measured
from schemas.table import Table, column
from schemas.tags import PARTIAL_VALUES, PERSON_MEASURES

_BUNDLE_NUMBERS = """
CREATE OR REPLACE TEMP TABLE {name} AS
SELECT b.bundle_id, b.valid_from, b.valid_to, p.person_no
FROM {bundle_persons} AS b JOIN {persons} AS p ON p.one_id = b.one_id
"""
_NUMBERED = pa.schema([
    *(BUNDLE_PERSONS.schema.field(name) for name in ("bundle_id", "valid_from", "valid_to")),
    PERSONS.schema.field("person_no"),
])
# A bundle that is new has rows on fresh dates only, which the increment counts anyhow.
_MOVED = """
CREATE OR REPLACE TEMP TABLE work_moved AS
WITH changed AS (
  SELECT bundle_id, n.person_no AS now_no, o.person_no AS then_no
  FROM work_bundle_numbers AS n
  FULL JOIN work_bundle_numbers_before AS o USING (bundle_id, valid_from)
  WHERE n.person_no IS DISTINCT FROM o.person_no OR n.valid_to IS DISTINCT FROM o.valid_to
), known AS (
  SELECT * FROM changed
  WHERE then_no IS NOT NULL OR bundle_id IN (
    SELECT bundle_id FROM bundles_before UNION ALL SELECT bundle_id FROM work_bundle_numbers_before
  )
)
SELECT DISTINCT person_no FROM (
  SELECT now_no AS person_no FROM known UNION ALL SELECT then_no FROM known
) WHERE person_no IN (SELECT person_no FROM persons)
"""


def person_measures_table(cells: Sequence[Cell]) -> Table:
    """The table ``person_measures`` with a nullable column per cell."""
    columns = [
        column(cell.name, cell.type, f"{cell.kind} of {cell.measure.words}", nullable=True)
        for cell in cells
    ]
    schema = pa.schema([*PERSON_MEASURES.schema, *columns])
    return dataclasses.replace(PERSON_MEASURES, schema=schema)


def refresh_person_measures(
    draft: Draft, definitions: Sequence[Measured], *, is_direct: bool = False
) -> None:
    """Write ``person_measures`` of the draft's date for the cells that ``definitions`` need.

    ``partials`` must be fresh (``refresh_partials``). A work table ``work_measures`` with the
    same rows stays until ``drop_work``.
    """
    cells = all_cells(definitions)
    held = [] if is_direct else held_cells(draft, cells)
    names = {cell.name for cell in held}
    fresh = [cell for cell in cells if cell.name not in names]
    number_bundles(draft)
    # The increment gives everyone; whoever did nothing is missing from the direct plan.
    sides = [f"({_increment(draft, held)})" if held else "persons"]
    if fresh:
        sides.append(f"({_direct(draft, fresh)}) USING (person_no)")
    _assemble(draft, cells, sides)


def _direct(draft: Draft, cells: Sequence[Cell]) -> str:
    """A query of the cells from the sources' rows, which a cluster has answered where there is one.
    """
    query = direct(cells, draft.business_date)
    if draft.cluster is None:
        return query
    within = reach(cells, draft.business_date)
    every = sorted({date.fromisoformat(f.d) for name in SOURCES for f in draft.files(name)})
    dates = [day for day in every if within.holds(day)]
    reads = {str(source): draft.relation(source, dates) for source in SOURCES}
    reads[PRODUCTS.name] = draft.relation(PRODUCTS.name)
    # A work table of the session: the cluster reads it from files.
    numbers = draft.session.write(
        "SELECT * FROM work_bundle_numbers", _NUMBERED, draft.scratch / "bundle_numbers", None
    )
    reads["work_bundle_numbers"] = Relation(_NUMBERED, [path for path, _ in numbers])
    schema = pa.schema([PERSON_MEASURES.schema.field("person_no"), *(
        pa.field(cell.name, cell.type) for cell in cells
    )])
    target = Target(draft.scratch / "direct", schema)
    written = draft.cluster.write(parse_one(query, dialect="duckdb"), reads, target)
    draft.session.view("work_direct", schema, [path for path, _ in written])
    return "SELECT * FROM work_direct"


def held_cells(draft: Draft, cells: Sequence[Cell]) -> list[Cell]:
    """Those of ``cells`` that the released state holds and that can be carried on."""
    if draft.parent is None or draft.business_date < draft.parent.business_date:
        return []
    if not draft.parent.files(PERSON_MEASURES.name):
        return []
    names = set(draft.parent.schema(PERSON_MEASURES.name).names)
    is_changed = products_changed(draft)
    return [
        cell for cell in cells
        if cell.name in names and not (is_changed and cell.measure.needs_products)
    ]


def number_bundles(draft: Draft) -> None:
    """Make ``work_bundle_numbers``: whose a bundle was when, by the person's number."""
    draft.session.execute(
        _BUNDLE_NUMBERS.format(
            name="work_bundle_numbers", bundle_persons="bundle_persons", persons="persons"
        )
    )


def drop_work(draft: Draft) -> None:
    """Remove every work table."""
    rows = draft.session.rows(
        "SELECT table_name, table_type FROM information_schema.tables "
        "WHERE starts_with(table_name, 'work_') OR ends_with(table_name, '_before') "
        "OR starts_with(table_name, 'partials_') OR starts_with(table_name, 'partial_values_')"
    )
    for name, kind in rows:
        what = "VIEW" if kind == "VIEW" else "TABLE"
        draft.session.execute(f'DROP {what} "{name}"')


def _increment(draft: Draft, cells: Sequence[Cell]) -> str:
    """Make the work tables of the increment; the query that gives its cells."""
    assert draft.parent is not None
    days = Days(draft.parent.business_date, draft.business_date, tuple(fresh_dates(draft)))
    _show_before(draft, cells)
    _show_days(draft, cells, days)
    _mark_moved(draft)
    for step in steps(cells, days):
        # Of nobody nothing is merged: files that would be opened for it stay closed.
        nobody = step.of and not draft.session.rows(f"SELECT 1 FROM {step.of} LIMIT 1")
        query = f"SELECT * FROM ({step.sql}) LIMIT 0" if nobody else step.sql
        draft.session.execute(f'CREATE OR REPLACE TEMP TABLE "{step.name}" AS {query}')
    return result(cells, days)


def _show_before(draft: Draft, cells: Sequence[Cell]) -> None:
    """The released state, and the released bundles and persons, as views."""
    assert draft.parent is not None
    for name in ("persons", "bundle_persons", "bundles"):
        _show(draft, f"{name}_before", draft.parent.schema(name), draft.parent.files(name))
    schema = person_measures_table(cells).schema
    _show(draft, "person_measures_before", schema, draft.parent.files(PERSON_MEASURES.name))


def _show_days(draft: Draft, cells: Sequence[Cell], days: Days) -> None:
    """``partials`` and ``partial_values`` of the dates that matter, as they are and were."""
    assert draft.parent is not None
    slots = slots_of(cells)
    for name, schema in (
        ("partials", partials_table(slots).schema), (PARTIAL_VALUES.name, PARTIAL_VALUES.schema)
    ):
        if not draft.files(name):
            # With its columns, though no row has come yet.
            _show(draft, name, schema, [])
        now, then = draft.files(name), draft.parent.files(name)
        dates = sorted({date.fromisoformat(file.d) for file in now})
        fresh = {day.isoformat() for day in days.fresh}
        shifted = {day.isoformat() for day in days.shifted(cells, dates)}
        _show(draft, f"{name}_fresh", schema, [file for file in now if file.d in fresh])
        _show(draft, f"{name}_were", schema, [file for file in then if file.d in fresh])
        _show(draft, f"{name}_shifted", schema, [file for file in now if file.d in shifted])
    again = _within_reach(draft, "partials", merged_again(cells))
    _show(draft, "partials_again", partials_table(slots).schema, again)
    for name, some in by_value(cells).items():
        files = _within_reach(draft, PARTIAL_VALUES.name, some)
        _show(draft, f"partial_values_of_{name}", PARTIAL_VALUES.schema, files)


def _within_reach(draft: Draft, table: str, cells: Sequence[Cell]) -> list[DataFile]:
    """Files of the dates that the windows of ``cells`` hold."""
    within = reach(cells, draft.business_date)
    return [f for f in draft.files(table) if cells and within.holds(date.fromisoformat(f.d))]


def _show(draft: Draft, name: str, schema: pa.Schema, files: Sequence[DataFile]) -> None:
    draft.session.view(name, schema, [file.path for file in files])


def _mark_moved(draft: Draft) -> None:
    """``work_moved``: persons whose bundles are not what they were."""
    assert draft.parent is not None
    names = ("persons", "bundle_persons")
    if all(draft.files(name) == draft.parent.files(name) for name in names):
        draft.session.execute(
            "CREATE OR REPLACE TEMP TABLE work_moved AS "
            "SELECT CAST(NULL AS BIGINT) AS person_no WHERE false"
        )
        return
    draft.session.execute(
        _BUNDLE_NUMBERS.format(
            name="work_bundle_numbers_before", bundle_persons="bundle_persons_before",
            persons="persons_before",
        )
    )
    draft.session.execute(_MOVED)


def _assemble(draft: Draft, cells: Sequence[Cell], sides: Sequence[str]) -> None:
    """Bring the sides together, a row for every person, and write them."""
    listed = "".join(f', {_plain(cell)} AS "{cell.name}"' for cell in cells)
    draft.session.execute(
        f"CREATE OR REPLACE TEMP TABLE work_measures AS SELECT person_no{listed} "
        f"FROM {' LEFT JOIN '.join(sides)}"
    )
    draft.replace(
        PERSON_MEASURES.name, "SELECT * FROM work_measures", table=person_measures_table(cells)
    )


def _plain(cell: Cell) -> str:
    """What is counted is 0 where there is nothing; all else is unknown."""
    if cell.kind in ADDED or cell.kind == "distinct":
        return f'CAST(COALESCE("{cell.name}", 0) AS {sql_type(cell.type)})'
    return f'"{cell.name}"'
