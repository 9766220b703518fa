"""Cells: what the state of a person remembers, one per measure, way of merging and window.

A definition is a formula over cells and the date: ``avg`` is a sum by a count, ``days_since`` the
distance to the last date. Cells are shared; their names say measure and window, so that a cell of
a name always means the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

import pyarrow as pa

from pipelines.tags.measures import Measure, measure_of
from pipelines.tags.windows import AnyWindow, literal, word
from schemas.measured import Measured, Operation, ReadAs
from schemas.table import TIMESTAMP
from schemas.tag_definitions import Type

Kind = Literal[
    "count", "sum", "least", "most", "first", "last", "first_on", "last_on", "days", "run_from",
    "distinct", "frequent", "top",
]
ADDED: tuple[Kind, ...] = ("count", "sum", "days")
"""Merged by adding, undone by subtracting."""
OF_VALUES: tuple[Kind, ...] = ("distinct", "frequent", "top")
"""Made of the days' values."""
MOMENT = pa.struct([pa.field("at", TIMESTAMP), pa.field("value", pa.string())])
_ARROW: dict[ReadAs, pa.DataType] = {
    "integer": pa.int64(), "decimal": pa.decimal128(18, 6), "date": pa.date32(),
    "text": pa.string(),
}
_FIXED: dict[Kind, pa.DataType] = {
    "count": pa.int64(), "days": pa.int64(), "distinct": pa.int64(), "first": MOMENT,
    "last": MOMENT, "first_on": pa.date32(), "last_on": pa.date32(), "run_from": pa.date32(),
    "frequent": pa.string(), "top": pa.list_(pa.string()),
}
_KINDS: dict[Operation, tuple[Kind, ...]] = {
    "count": ("count",), "any": ("count",), "sum": ("sum",), "avg": ("sum", "count"),
    "min": ("least",), "max": ("most",), "first": ("first",), "last": ("last",),
    "years_since": ("last",), "distinct_count": ("distinct",), "most_frequent": ("frequent",),
    "top_n": ("top",), "days_active": ("days",), "days_since": ("last_on",),
    "days_since_first": ("first_on",), "streak": ("run_from", "last_on"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One merged measure of a person over a window; ``n`` is the length of a ``top`` list."""

    kind: Kind
    measure: Measure
    window: AnyWindow
    n: int = 0

    @property
    def name(self) -> str:
        """Its column in the state."""
        kind = f"top{self.n}" if self.kind == "top" else self.kind
        return f"{kind}_{self.measure.id}_{word(self.window)}"

    @property
    def type(self) -> pa.DataType:
        """Its type in the state."""
        if self.kind in _FIXED:
            return _FIXED[self.kind]
        assert self.measure.type is not None
        if self.kind == "sum":
            return pa.decimal128(38, 6) if self.measure.type == "decimal" else pa.int64()
        return _ARROW[self.measure.type]


def cells_of(definition: Measured) -> list[Cell]:
    """The cells that the definition's formula reads, in the formula's order."""
    assert definition.measure is not None
    assert definition.window is not None
    # A run is not cut by a window: how much of it is inside is seen from the date.
    window = "ever" if definition.measure == "streak" else definition.window
    measure = measure_of(definition)
    return [
        Cell(kind, measure, window, definition.n or 0) for kind in _KINDS[definition.measure]
    ]


def all_cells(definitions: Iterable[Measured]) -> list[Cell]:
    """Every cell that the definitions need, once, by name."""
    found = [cell for one in definitions if one.source is not None for cell in cells_of(one)]
    return [cell for _, cell in sorted({cell.name: cell for cell in found}.items())]


def value(definition: Measured, day: date) -> str:
    """The definition's value on ``day`` in SQL over its cells.

    Counts and sums over nothing are 0, ``any`` is false; everything else is unknown.
    """
    cells = [f'"{cell.name}"' for cell in cells_of(definition)]
    return _FORMULAS[definition.measure or "count"](definition, cells, day)


def _plain(_: Measured, cells: Sequence[str], __: date) -> str:
    return cells[0]


def _zero(_: Measured, cells: Sequence[str], __: date) -> str:
    return f"COALESCE({cells[0]}, 0)"


def _any(_: Measured, cells: Sequence[str], __: date) -> str:
    return f"COALESCE({cells[0]}, 0) > 0"


def _sum(definition: Measured, cells: Sequence[str], _: date) -> str:
    total = f"COALESCE({cells[0]}, 0)"
    return f"CAST({total} AS DOUBLE)" if measure_of(definition).type == "decimal" else total


def _avg(_: Measured, cells: Sequence[str], __: date) -> str:
    return f"CAST({cells[0]} AS DOUBLE) / NULLIF({cells[1]}, 0)"


def _extreme(definition: Measured, cells: Sequence[str], _: date) -> str:
    is_decimal = measure_of(definition).type == "decimal"
    return f"CAST({cells[0]} AS DOUBLE)" if is_decimal else cells[0]


def _moment(definition: Measured, cells: Sequence[str], _: date) -> str:
    kinds = {"integer": "BIGINT", "decimal": "DOUBLE", "date": "DATE"}
    read = measure_of(definition).type or "text"
    said = f"{cells[0]}.value"
    return f"TRY_CAST({said} AS {kinds[read]})" if read in kinds else said


def _since(_: Measured, cells: Sequence[str], day: date) -> str:
    return f"DATE_DIFF('day', {cells[0]}, {literal(day)})"


def _streak(definition: Measured, cells: Sequence[str], day: date) -> str:
    run = f"DATE_DIFF('day', {cells[0]}, {literal(day)}) + 1"
    window = definition.window
    if window is not None and window != "ever" and window.days is not None:
        run = f"LEAST({run}, {window.days})"
    return f"CASE WHEN {cells[1]} = {literal(day)} THEN {run} ELSE 0 END"


def _years(_: Measured, cells: Sequence[str], day: date) -> str:
    """Whole years; a birthday of 29 February is reached on 1 March of other years."""
    since = f"TRY_CAST({cells[0]}.value AS DATE)"
    month_day = f"(MONTH({since}) * 100 + DAY({since}))"
    return (
        f"CASE WHEN {since} <= {literal(day)} THEN CAST({day.year} - YEAR({since}) - "
        f"CASE WHEN {month_day} > {day.month * 100 + day.day} THEN 1 ELSE 0 END AS BIGINT) END"
    )


_FORMULAS = {
    "count": _zero, "any": _any, "sum": _sum, "avg": _avg, "min": _extreme, "max": _extreme,
    "first": _moment, "last": _moment, "years_since": _years, "distinct_count": _zero,
    "most_frequent": _plain, "top_n": _plain, "days_active": _zero, "days_since": _since,
    "days_since_first": _since, "streak": _streak,
}


def value_type(definition: Measured) -> Type:
    """The type of a measure over a source."""
    operation, read = definition.measure, measure_of(definition).type
    if operation == "any":
        return "boolean"
    if operation == "top_n":
        return "texts"
    if operation == "most_frequent":
        return "text"
    if operation == "avg":
        return "number"
    if operation in ("min", "max", "first", "last", "sum"):
        given: dict[str, Type] = {"decimal": "number", "date": "date", "integer": "integer"}
        return given.get(read or "text", "text")
    return "integer"
