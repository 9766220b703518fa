"""Measures: which rows of a source a definition asks for, and what it takes from each.

Several definitions share a measure when they ask the same of the same rows, whatever they then
do with it and in whichever window.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from sqlglot import exp

from pipelines.tags.conditions import Operand, condition
from schemas.errors import ConfigError
from schemas.events import ORDER_LINES, PRODUCTS
from schemas.measured import Measured, Operation, ReadAs, Source

SOURCES: tuple[Source, ...] = ("events", "order_lines")
OF_PRODUCTS = ("department", "category")
MEANING = "2"
"""Goes up when partials or cells of one name come to mean something else."""

_READ: dict[pa.DataType, ReadAs] = {
    pa.string(): "text", pa.int32(): "integer", pa.int64(): "integer", pa.date32(): "date",
}
SQL: dict[ReadAs, str] = {
    "text": "VARCHAR", "integer": "BIGINT", "decimal": "DECIMAL(18, 6)", "date": "DATE",
}
WRITTEN: dict[ReadAs, str] = {
    "integer": r"^[+-]?[0-9]{1,12}\z", "decimal": r"^[+-]?[0-9]{1,12}(\.[0-9]{1,6})?\z",
    "date": r"^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}\z",
}
"""How a text is written that can be read: engines differ on `1.5`, `0x10`, `1_000`, `infinity`, and
a sum of longer numbers would leave 64 bits."""
_COMPARED: dict[ReadAs, str] = {"decimal": "number"}
_ADDED: tuple[Operation, ...] = ("sum", "avg")
_ORDERED: tuple[Operation, ...] = ("min", "max")


@dataclass(frozen=True, slots=True)
class Measure:
    """Rows of a source, and what is taken from each.

    ``counted`` is a tree over the source ``e`` (and ``p``, its product): NULL where a row does
    not count, else the value that is taken, or true where only rows are counted.
    """

    id: str
    words: str
    source: Source
    counted: exp.Expr
    type: ReadAs | None
    needs_products: bool


def measure_of(definition: Measured) -> Measure:
    """The measure that a definition asks for; ConfigError for a field its source does not have."""
    source, where = definition.source, f"tag {definition.name}"
    assert source is not None
    find = partial(_operand, source, where)
    conditions: list[exp.Expr] = []
    if definition.types:
        conditions.append(exp.column("type", table="e").isin(*sorted(set(definition.types))))
    if definition.where is not None:
        conditions.append(condition(definition.where, find, where))
    value, read = _value(definition, where)
    counted = value.copy()
    if conditions:
        counted = exp.Case().when(exp.and_(*conditions), counted)
    words = _words(definition, conditions, read)
    read_columns = [column.table for column in counted.find_all(exp.Column)]
    digest = hashlib.sha256(f"{MEANING}\0{words}".encode()).hexdigest()[:8]
    return Measure(digest, words, source, counted, read, "p" in read_columns)


def _value(definition: Measured, where: str) -> tuple[exp.Expr, ReadAs | None]:
    """What is taken from a row that counts, and how it is read."""
    if definition.field is None:
        return exp.true(), None
    assert definition.source is not None
    sql, stored = _field(definition.source, where, definition.field)
    read = definition.read_as or stored
    operation = definition.measure
    fits: tuple[ReadAs, ...] = ("text", "integer", "decimal", "date")
    if operation in _ADDED:
        fits = ("integer", "decimal")
    elif operation in _ORDERED:
        fits = ("integer", "decimal", "date")
    if read not in fits:
        raise ConfigError(
            f"a {read} has no {operation}", expected="a field that is " + " or ".join(fits),
            got=f"{definition.field} ({read})", where=where,
            todo="a text property may be read `as: integer`, `as: decimal` or `as: date`",
        )
    if read != stored:
        sql = _read(sql, stored, read)
    return sql, read


def _read(sql: exp.Expr, stored: ReadAs, read: ReadAs) -> exp.Expr:
    found = exp.TryCast(this=sql.copy(), to=exp.DataType.build(SQL[read], dialect="duckdb"))
    if stored != "text":
        return found
    form = exp.Literal.string(WRITTEN[read])
    return exp.Case().when(exp.RegexpLike(this=sql, expression=form), found)


def _words(definition: Measured, conditions: list[exp.Expr], read: ReadAs | None) -> str:
    """What is asked, in words: equal for definitions that ask the same."""
    name = str(definition.source)
    if definition.field is not None:
        name += f".{definition.field}"
        _, stored = _field(definition.source or "events", "", definition.field)
        name += f" as {read}" if read != stored else ""
    if not conditions:
        return name
    bare = exp.and_(*conditions).transform(
        lambda node: exp.column(node.name) if isinstance(node, exp.Column) else node
    )
    return f"{name} where {bare.sql()}"


def _operand(source: Source, where: str, name: str) -> Operand:
    """A field in a condition."""
    sql, read = _field(source, where, name)
    return Operand(sql, _COMPARED.get(read, read))


def _field(source: Source, where: str, name: str) -> tuple[exp.Expr, ReadAs]:
    """A field of a source as a tree, and how it is stored."""
    if source == "events":
        if name in ("source", "type"):
            return exp.column(name, table="e"), "text"
        key = exp.Literal.string(name)
        held = exp.Bracket(this=exp.column("properties", table="e"), expressions=[key])
        # A declared property that came empty says as little as one that did not come.
        return exp.Nullif(this=held, expression=exp.Literal.string("")), "text"
    known = {field.name: (field.type, "e") for field in ORDER_LINES.schema}
    known |= {name: (PRODUCTS.schema.field(name).type, "p") for name in OF_PRODUCTS}
    known = {
        name: kind for name, kind in known.items()
        if kind[0] in _READ or pa.types.is_decimal(kind[0])
    }
    if name not in known:
        raise ConfigError(
            f"{source} has no field {name!r}", expected="one of " + ", ".join(sorted(known)),
            got=name, where=where, todo="see `guiyi table show order_lines`",
        )
    kind, table = known[name]
    return exp.column(name, table=table), _READ.get(kind, "decimal")
