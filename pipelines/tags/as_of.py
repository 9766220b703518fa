"""Measures of any past date, for those who learn from what was known then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

from lake.draft import Draft
from lake.engines.duckdb import quoted
from pipelines.tags.cells import Cell, all_cells, cells_of, value
from pipelines.tags.merging import Relations, merged
from pipelines.tags.partials import Slot, partials_table, slots_held, slots_of
from pipelines.tags.state import number_bundles
from pipelines.tags.windows import literal
from schemas.measured import Measured

PERSON_PARTIALS = "person_partials"


@contextmanager
def person_partials(draft: Draft, wanted: Sequence[Measured]) -> Iterator[str]:
    """The name of a table of what partials hold for ``wanted`` up to the draft's date, by person.

    One table of numbers and values, so that a reader may hide what came after a date by one
    condition on ``business_date``.
    """
    cells, day = all_cells(wanted), draft.business_date
    slots = slots_of([*cells, *(Cell("count", cell.measure, "ever") for cell in cells)])
    draft.session.view(
        "partials_of_all", partials_table(slots).schema,
        [file.path for file in draft.files("partials")],
    )
    number_bundles(draft)
    names = ", ".join(quoted(slot.name) for slot in slots) or quoted("")
    # From the beginning: who learns looks back from earlier dates too.
    until = f"WHERE x.business_date <= {literal(day)}"
    numbers = f"{Relations().of('partials_of_all')} {until}"
    values = f"{Relations().of('partial_values')} {until} AND x.measure IN ({names})"
    draft.session.execute(
        f"CREATE OR REPLACE TEMP TABLE {PERSON_PARTIALS} AS "
        f"{numbers} UNION ALL BY NAME {values}"
    )
    draft.session.execute("DROP VIEW partials_of_all")
    try:
        yield PERSON_PARTIALS
    finally:
        draft.session.execute(f"DROP TABLE {PERSON_PARTIALS}")


def values_on(relation: str, wanted: Mapping[str, Measured], day: date) -> str:
    """A query of ``one_id`` and a column per entry of ``wanted``, as of the end of ``day``.

    ``relation`` is what ``person_partials`` gave, or a view of it; a row per person it has.
    """
    cells = all_cells(wanted.values())
    relations = Relations(numbers=relation, values=relation, bundles="")
    columns = ", ".join(
        f'{value(definition, day)} AS "{name}"' for name, definition in wanted.items()
    )
    return (
        f"SELECT p.one_id{', ' if columns else ''}{columns} FROM ({merged(cells, day, relations)}) "
        "AS x JOIN persons AS p ON p.person_no = x.person_no"
    )


def came_between(relation: str, event: Measured, after: date, until: date) -> str:
    """A query of the ``one_id`` of all who had a row of ``event`` after a date, up to another."""
    (slot,) = {Slot("count", cell.measure).name for cell in cells_of(event)}
    return (
        f"SELECT DISTINCT p.one_id FROM {relation} AS x "
        f'JOIN persons AS p ON p.person_no = x.person_no WHERE x."{slot}" > 0 '
        f"AND x.business_date > {literal(after)} AND x.business_date <= {literal(until)}"
    )


def unmeasured(draft: Draft, wanted: Iterable[Measured]) -> list[str]:
    """Names of the definitions that the draft's partials do not hold."""
    held = slots_held(draft)
    return [
        one.name for one in wanted
        if {slot.name for slot in slots_of(cells_of(one))} - held
    ]
