"""Measures of any past date, for those who learn from what was known then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date

from lake.draft import Draft
from pipelines.tags.cells import all_cells, cells_of, value
from pipelines.tags.merging import History, merged
from pipelines.tags.partials import Slot, slots_held, slots_of
from pipelines.tags.state import number_bundles
from pipelines.tags.windows import literal
from schemas.measured import Measured

PERSON_PARTIALS = "person_partials"


@contextmanager
def person_partials(draft: Draft) -> Iterator[str]:
    """The name of a table of all partials and values up to the draft's date, by person.

    One table, so that a reader may hide what came after a date by one condition on
    ``business_date``.
    """
    number_bundles(draft)
    until = f" WHERE x.business_date <= {literal(draft.business_date)}"
    numbers = History().of("partials") + until
    values = History().of("partial_values") + until
    draft.session.execute(
        f"CREATE OR REPLACE TEMP TABLE {PERSON_PARTIALS} AS "
        f"{numbers} UNION ALL BY NAME {values}"
    )
    try:
        yield PERSON_PARTIALS
    finally:
        draft.session.execute(f"DROP TABLE {PERSON_PARTIALS}")


def values_on(relation: str, wanted: Mapping[str, Measured], day: date) -> str:
    """A query of ``one_id`` and a column per entry of ``wanted``, as of the end of ``day``.

    ``relation`` is what ``person_partials`` gave, or a view of it; a row per person it has.
    """
    cells = all_cells(wanted.values())
    history = History(numbers=relation, values=relation, bundles="")
    columns = ", ".join(
        f'{value(definition, day)} AS "{name}"' for name, definition in wanted.items()
    )
    return (
        f"SELECT p.one_id{', ' if columns else ''}{columns} FROM ({merged(cells, day, history)}) "
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
