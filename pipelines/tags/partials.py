"""Partials: the daily measures per bundle, kept so that a day or a merge rereads no event."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
from sqlglot import parse_one

from lake.draft import Draft
from lake.engines import duckdb as embedded
from lake.engines.duckdb import quoted
from pipelines.tags.cells import MOMENT, OF_VALUES, Cell, Kind, all_cells
from pipelines.tags.measures import OF_PRODUCTS, SOURCES, Measure
from schemas.events import PRODUCTS
from schemas.measured import Measured
from schemas.step import Step, everything, same_day
from schemas.table import Table, column
from schemas.tags import PARTIAL_MEASURES, PARTIAL_VALUES, PARTIALS

_ROW = "SELECT {columns} FROM {source} AS e{products} WHERE NOT e.bundle_id IS NULL"
_PRODUCTS = " LEFT JOIN products AS p ON p.product_id = e.product_id"
_DAILY: dict[str, str] = {
    "count": "CAST(COUNT({v}) AS BIGINT)",
    "sum": "CAST(SUM({v}) AS {type})",
    "least": "MIN({v})",
    "most": "MAX({v})",
    "first": "MIN({moment}) FILTER (WHERE {v} IS NOT NULL)",
    "last": "MAX({moment}) FILTER (WHERE {v} IS NOT NULL)",
}
# Two rows of one instant: the greater value is the last, whatever the order of arrival.
MOMENT_OF = "{{'at': occurred_at, 'value': CAST({v} AS VARCHAR)}}"


ROWS_AT_ONCE = 2_000_000
"""Rows of sources whose partials are made together."""


@dataclass(frozen=True, slots=True)
class Slot:
    """What a day keeps of a measure: a column of ``partials``, or rows of ``partial_values``."""

    kind: Kind
    measure: Measure

    @property
    def name(self) -> str:
        """Its column, or the name its values go by."""
        return f"{self.kind}_{self.measure.id}"

    @property
    def type(self) -> pa.DataType:
        """Its type in ``partials``."""
        return MOMENT if self.kind in ("first", "last") else Cell(
            self.kind, self.measure, "ever"
        ).type


def slots_of(cells: Iterable[Cell]) -> list[Slot]:
    """What days must keep for ``cells``, once, by name."""
    found: dict[str, Slot] = {}
    for cell in cells:
        for kind in _kept(cell):
            slot = Slot(kind, cell.measure)
            other = found.setdefault(slot.name, slot).measure.words
            # Names carry half a fingerprint: two measures of one name are not to be mixed.
            assert other == cell.measure.words, (other, cell.measure.words)
    return [slot for _, slot in sorted(found.items())]


def _kept(cell: Cell) -> tuple[Kind, ...]:
    """Dates are told by counts, all that is made of values by the values."""
    if cell.kind in OF_VALUES:
        return ("distinct",)
    return (cell.kind,) if cell.kind in _DAILY else ("count",)


def numbers(slots: Iterable[Slot]) -> list[Slot]:
    """Those that are columns of ``partials``."""
    return [slot for slot in slots if slot.kind in _DAILY]


def partials_table(slots: Sequence[Slot]) -> Table:
    """The table ``partials`` with a nullable column per slot."""
    columns = [
        column(slot.name, slot.type, f"{slot.kind} of {slot.measure.words}", nullable=True)
        for slot in numbers(slots)
    ]
    return dataclasses.replace(PARTIALS, schema=pa.schema([*PARTIALS.schema, *columns]))


def refresh_partials(draft: Draft, definitions: Iterable[Measured]) -> int:
    """Compute the partials of the stale dates anew; returns the rows of ``partials``.

    ``definitions`` are the tags and every model's features: all that measure anything. What
    they need kept becomes ``partial_measures``.
    """
    slots = slots_of(all_cells(definitions))
    chosen = stale_dates(draft, slots)
    _keep_measures(draft, slots)
    if not chosen:
        return 0
    steps = (
        (numbers_step(slots), partials_table(slots)), (values_step(slots), PARTIAL_VALUES)
    )
    if draft.cluster is not None:
        return _on_cluster(draft, chosen, steps)
    views: dict[str, str] = {source: f"{source}_of_dates" for source in SOURCES}
    made = [
        (embedded.placed(step, views).sql(dialect="duckdb"), table)
        for step, table in steps
    ]
    rows = 0
    for dates in _batches(draft, chosen):
        for source, view in views.items():
            draft.show_dates(source, dates, view)
        for query, table in made:
            # Into a table first: sorted by bundle, so that a reader of few skips the rest.
            draft.session.execute(f"CREATE OR REPLACE TEMP TABLE fresh AS {query}")
            ordered = f"SELECT * FROM fresh ORDER BY {', '.join(table.key)}"
            written = draft.replace_dates(table.name, dates, ordered, table=table)
            rows += written if table.name == PARTIALS.name else 0
    draft.session.execute("DROP TABLE fresh")
    for view in views.values():
        draft.session.execute(f"DROP VIEW {view}")
    return rows


def _on_cluster(
    draft: Draft, chosen: Sequence[date], steps: Sequence[tuple[Step, Table]]
) -> int:
    reads = {str(source): draft.relation(source, chosen) for source in SOURCES}
    reads[PRODUCTS.name] = draft.relation(PRODUCTS.name)
    written = [
        draft.take_dates(table.name, chosen, step.sql, reads, table=table)
        for step, table in steps if step.sql is not None
    ]
    return written[0]


def _batches(draft: Draft, dates: Sequence[date]) -> Iterator[list[date]]:
    """The dates in order, as many at a time as memory has room for."""
    sizes = Counter[str]()
    for source in SOURCES:
        for file in draft.files(source):
            sizes[file.d] += file.rows
    batch, count = list[date](), 0
    for day in dates:
        size = sizes[day.isoformat()]
        if batch and count + size > ROWS_AT_ONCE:
            yield batch
            batch, count = [], 0
        batch.append(day)
        count += size
    yield batch


def stale_dates(draft: Draft, slots: Sequence[Slot]) -> list[date]:
    """Business dates whose partials this draft must compute again.

    Those that got rows; all of them when the catalogue of products changed, or a slot is not
    among those that the partials were last made with (new, or gone and back).
    """
    every = sorted({date.fromisoformat(file.d) for name in SOURCES for file in draft.files(name)})
    missing = {slot.name for slot in slots} - slots_held(draft)
    if missing or (products_changed(draft) and any(s.measure.needs_products for s in slots)):
        return every
    return fresh_dates(draft)


def fresh_dates(draft: Draft) -> list[date]:
    """Business dates that got rows in this draft."""
    return sorted({day for name in SOURCES for day in draft.changed_dates(name)})


def products_changed(draft: Draft) -> bool:
    """Whether products have come or gone, or changed their department or category."""
    released = draft.parent.files(PRODUCTS.name) if draft.parent else []
    if draft.files(PRODUCTS.name) == released:
        return False
    draft.session.view("products_before", PRODUCTS.schema, [file.path for file in released])
    columns = ", ".join(("product_id", *OF_PRODUCTS))
    now, then = (f"SELECT {columns} FROM {name}" for name in (PRODUCTS.name, "products_before"))
    is_other = draft.session.rows(
        f"SELECT 1 FROM (({now} EXCEPT {then}) UNION ALL ({then} EXCEPT {now})) LIMIT 1"
    )
    draft.session.execute("DROP VIEW products_before")
    return bool(is_other)


def slots_held(draft: Draft) -> set[str]:
    """Names of the slots that every date's partials hold."""
    rows = draft.session.rows(f"SELECT measure FROM {PARTIAL_MEASURES.name}")
    return {str(name) for (name,) in rows}


def _keep_measures(draft: Draft, slots: Sequence[Slot]) -> None:
    """What a refresh leaves out is forgotten, so that its return makes all dates stale."""
    if {slot.name for slot in slots} == slots_held(draft):
        return
    rows = [{"measure": slot.name, "says": f"{slot.kind} of {slot.measure.words}"}
            for slot in slots]
    fresh = pa.Table.from_pylist(rows, schema=PARTIAL_MEASURES.schema)
    draft.session.register("fresh_measures", fresh)
    draft.replace(PARTIAL_MEASURES.name, "SELECT * FROM fresh_measures ORDER BY measure")
    draft.session.execute("DROP VIEW fresh_measures")


def numbers_step(slots: Sequence[Slot]) -> Step:
    """The columns of ``partials``, one row per bundle, date and source."""
    parts = []
    for source in SOURCES:
        mine = [slot for slot in numbers(slots) if slot.measure.source == source]
        forms = [f'{_form(slot)} AS "{slot.name}"' for slot in mine]
        others = [
            f'CAST(NULL AS {embedded.sql_type(slot.type)}) AS "{slot.name}"'
            for slot in numbers(slots) if slot.measure.source != source
        ]
        by_name = {text.rsplit(" AS ", 1)[1]: text for text in [*forms, *others]}
        listed = ", ".join(text for _, text in sorted(by_name.items()))
        parts.append(
            f"SELECT bundle_id, business_date, {quoted(source)} AS source"
            f"{', ' if listed else ''}{listed} "
            f"FROM ({rows_query(source, [slot.measure for slot in mine])}) "
            f"GROUP BY bundle_id, business_date"
        )
    return _step("partials", " UNION ALL ".join(parts), "mergeable daily measures per bundle")


def values_step(slots: Sequence[Slot]) -> Step:
    """The rows of ``partial_values``: each value that a bundle had on a date, and how often."""
    parts = [
        f"SELECT bundle_id, business_date, {quoted(slot.name)} AS measure, "
        f'CAST("v_{slot.measure.id}" AS VARCHAR) AS value, COUNT(*) AS count '
        f"FROM ({rows_query(slot.measure.source, [slot.measure])}) "
        f"GROUP BY bundle_id, business_date, value"
        for slot in slots
        if slot.kind not in _DAILY
    ] or [
        "SELECT bundle_id, business_date, '' AS measure, '' AS value, 1 AS count FROM events "
        "WHERE false"
    ]
    return _step("partial_values", " UNION ALL ".join(parts), "the values of a day per bundle")


def _step(name: str, sql: str, says: str) -> Step:
    return Step(
        name=name,
        kind="sql",
        reads={**dict.fromkeys(SOURCES, same_day()), "products": everything()},
        writes=(name,),
        sql=parse_one(sql, dialect="duckdb"),
        says=says,
    )


def rows_query(source: str, measures: Sequence[Measure]) -> str:
    """Rows of a source that count for one of ``measures``; ``v_<id>`` is what each takes."""
    unique = {measure.id: measure for measure in measures}
    columns = ["e.bundle_id", "e.business_date", "e.occurred_at"] + [
        f'{measure.counted.sql(dialect="duckdb")} AS "v_{measure.id}"'
        for measure in unique.values()
    ]
    needs_products = any(measure.needs_products for measure in measures)
    query = _ROW.format(
        columns=", ".join(columns), source=source, products=_PRODUCTS if needs_products else ""
    )
    counts = " OR ".join(f'"v_{one}" IS NOT NULL' for one in unique) or "false"
    return f"SELECT * FROM ({query}) WHERE {counts}"


def _form(slot: Slot) -> str:
    name = f'"v_{slot.measure.id}"'
    return _DAILY[slot.kind].format(
        v=name, moment=MOMENT_OF.format(v=name), type=embedded.sql_type(slot.type)
    )
