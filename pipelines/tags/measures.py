"""Measures: what definitions count, sum or remember per bundle and business date.

A measure is mergeable: the measures of two days, or of two bundles, give that of both. Several
tags share one when they ask the same of the same rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import pyarrow as pa
from sqlglot import exp, parse_one

from pipelines.tags.conditions import Operand, condition
from schemas.errors import ConfigError
from schemas.events import ORDER_LINES, PRODUCTS
from schemas.tag_definitions import Last, Measured

_SLOTS = {
    "sum": "sum", "last": "last", "years_since": "last", "distinct_count": "distinct",
    "count": "count", "any": "count", "days_active": "count",
    "days_since": "count", "days_since_first": "count",
}
_TYPES = {
    pa.string(): "text", pa.int32(): "integer", pa.int64(): "integer", pa.date32(): "date",
}
OF_PRODUCTS = ("department", "category")


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: its name in ``partials``, its rows and the value it takes from each."""

    name: str
    source: str
    slot: str
    rows: exp.Expr | None
    value: exp.Expr | None
    needs_products: bool


def measure_of(definition: Measured) -> Measure:
    """The measure that a definition asks for; ConfigError for a field its source does not have."""
    source, slot = definition.source, _SLOTS[definition.measure or "count"]
    assert source is not None
    find = partial(_operand, source, f"tag {definition.name}")
    conditions: list[exp.Expr] = []
    if definition.types:
        conditions.append(exp.column("type", table="e").isin(*sorted(set(definition.types))))
    if definition.where is not None:
        conditions.append(condition(definition.where, find, f"tag {definition.name}"))
    name = _name(definition, slot, conditions)
    value = None
    if definition.field is not None:
        operand = find(definition.field)
        _require_type(definition, operand)
        value = operand.sql
        conditions.append(exp.not_(exp.Is(this=value.copy(), expression=exp.null())))
    rows = exp.and_(*conditions) if conditions else None
    read = [c.table for tree in (rows, value) if tree for c in tree.find_all(exp.Column)]
    return Measure(name, source, slot, rows, value, "p" in read)


def _name(definition: Measured, slot: str, conditions: list[exp.Expr]) -> str:
    """What is asked, in words: equal for definitions that ask the same, e.g. ``count events``."""
    name = f"{slot} {definition.source}" + (f".{definition.field}" if definition.field else "")
    if not conditions:
        return name
    bare = exp.and_(*conditions).transform(
        lambda node: exp.column(node.name) if isinstance(node, exp.Column) else node
    )
    return f"{name} where {bare.sql()}"


def measures_of(definitions: Iterable[Measured]) -> list[Measure]:
    """Every measure that the definitions need, once, by name."""
    found = [measure_of(d) for d in definitions if d.source is not None]
    return [m for _, m in sorted({m.name: m for m in found}.items())]


def _operand(source: str, where: str, name: str) -> Operand:
    if source == "events":
        if name in ("source", "type"):
            return Operand(exp.column(name, table="e"), "text")
        key = exp.Literal.string(name)
        held = exp.Bracket(this=exp.column("properties", table="e"), expressions=[key])
        # A declared property that came empty says as little as one that did not come.
        return Operand(exp.Nullif(this=held, expression=exp.Literal.string("")), "text")
    known = {field.name: (field.type, "e") for field in ORDER_LINES.schema}
    known |= {name: (PRODUCTS.schema.field(name).type, "p") for name in OF_PRODUCTS}
    known = {name: kind for name, kind in known.items() if kind[0] in _TYPES}
    if name not in known:
        raise ConfigError(
            f"{source} has no field {name!r}", expected="one of " + ", ".join(sorted(known)),
            got=name, where=where,
        )
    kind, table = known[name]
    return Operand(exp.column(name, table=table), _TYPES[kind])


def _require_type(definition: Measured, operand: Operand) -> None:
    if definition.measure == "sum" and operand.type != "integer":
        raise ConfigError(
            "only integers are summed", expected="an integer field, e.g. paid_minor",
            got=f"{definition.field} ({operand.type})", where=f"tag {definition.name}",
        )


def daily(measure: Measure, relation: str) -> exp.Select:
    """The query of a measure's partials over the rows of ``relation``."""
    value = None if measure.value is None else measure.value.sql(dialect="duckdb")
    text = f"CAST({value} AS VARCHAR)"
    # Two rows of one instant: the greater value is the last, whatever the order of arrival.
    order = f"{{'at': e.occurred_at, 'value': {text}}}"
    forms = {
        "sum": (f"CAST(SUM({value}) AS BIGINT)", "sum", "BIGINT"),
        "last_value": (f"ARG_MAX({text}, {order})", "last", "TEXT"),
        "values": (f"LIST_SORT(ARRAY_AGG(DISTINCT {text}))", "distinct", "TEXT[]"),
    }
    query = exp.select("e.bundle_id", "e.business_date").select(
        exp.Literal.string(measure.name).as_("measure"),
        "COUNT(*) AS count", "MIN(e.occurred_at) AS first_at", "MAX(e.occurred_at) AS last_at",
    )
    for name, (form, slot, kind) in forms.items():
        form = form if slot == measure.slot else f"CAST(NULL AS {kind})"
        query = query.select(exp.alias_(parse_one(form, dialect="duckdb"), name, quoted=True))
    query = query.from_(exp.alias_(exp.to_table(relation), "e"))
    if measure.needs_products:
        query = query.join("products AS p", on="p.product_id = e.product_id", join_type="left")
    query = query.where("NOT e.bundle_id IS NULL")
    if measure.rows is not None:
        query = query.where(measure.rows.copy())
    return query.group_by("e.bundle_id", "e.business_date")


def merged(definition: Measured, day: date) -> exp.Expr:
    """The definition's value for ``day`` as an aggregate over a person's rows of ``partials``.

    A window `last: N d` holds the N business dates that end with ``day``: from the first instant
    of ``day - N + 1`` in the programme's zone to the last of ``day``, however many hours a date
    has. Counts and sums over nothing are 0, `any` is false; the others are unknown.
    """
    inside = f"measure = @name AND business_date <= {_day(day)}"
    if isinstance(definition.window, Last):
        inside += f" AND business_date > {_day(day - timedelta(days=definition.window.days))}"
    forms = {
        "count": "CAST(COALESCE(SUM(count) @, 0) AS BIGINT)",
        "any": "COALESCE(SUM(count) @, 0) > 0",
        "sum": 'CAST(COALESCE(SUM("sum") @, 0) AS BIGINT)',
        "distinct_count": "CAST(COALESCE(ARRAY_LENGTH(LIST_DISTINCT(FLATTEN("
        'ARRAY_AGG("values") @))), 0) AS BIGINT)',
        "last": "ARG_MAX(last_value, {'at': last_at, 'value': last_value}) @",
        "days_active": "CAST(COUNT(DISTINCT business_date) @ AS BIGINT)",
        "days_since": f"DATE_DIFF('day', MAX(business_date) @, {_day(day)})",
        "days_since_first": f"DATE_DIFF('day', MIN(business_date) @, {_day(day)})",
    }
    forms["years_since"] = _years(f"TRY_CAST({forms['last']} AS DATE)", day)
    text = forms[definition.measure or "count"].replace("@", f"FILTER (WHERE {inside})")
    name = exp.Literal.string(measure_of(definition).name).sql(dialect="duckdb")
    return parse_one(text.replace("@name", name), dialect="duckdb")


def _day(day: date) -> str:
    return f"CAST('{day.isoformat()}' AS DATE)"


def _years(since: str, day: date) -> str:
    """Whole years; a birthday of 29 February is reached on 1 March of other years."""
    month_day = f"(MONTH({since}) * 100 + DAY({since}))"
    return (
        f"CASE WHEN {since} <= {_day(day)} THEN CAST({day.year} - YEAR({since}) - "
        f"CASE WHEN {month_day} > {day.month * 100 + day.day} THEN 1 ELSE 0 END AS BIGINT) END"
    )
