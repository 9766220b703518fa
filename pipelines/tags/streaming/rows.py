"""What a definition takes from one event: the same as a measure's SQL takes from a row.

Values are plain: decimals are counted in millionths, dates are ordinals, so that a state of them
is exact and can be written down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import msgspec
import pyarrow as pa

from pipelines.tags.measures import OF_PRODUCTS, Measure, measure_of
from pipelines.tags.streaming.truth import Answer, tested
from schemas.errors import ConfigError
from schemas.events import ORDER_LINES
from schemas.measured import Measured, ReadAs, Source

Value = int | str
MILLION = 10**6
_FORMS: dict[ReadAs, re.Pattern[str]] = {
    "integer": re.compile(r"[+-]?[0-9]{1,12}"),
    "decimal": re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{1,6})?"),
    "date": re.compile(r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}"),
}


class Event(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What happened to a bundle: a row of ``events``, and of ``order_lines`` where it is one."""

    key: str
    """Its ``bundle_id``, as text."""
    at: int
    """When it happened, in microseconds since 1970."""
    id: str
    """Its id within its source."""
    source: str
    day: int
    """Its business date, as an ordinal."""
    received: int
    """Business date of its receipt, as an ordinal."""
    type: str | None = None
    """None where it is no row of ``events``."""
    properties: dict[str, str] = {}
    line: dict[str, Any] | None = None
    """Columns of ``order_lines``."""


Take = Callable[[Event], Value | None]
"""What an event gives to a measure; None where it does not count."""
Products = Mapping[str, Mapping[str, str | None]]
"""Department and category by product."""


def taken(definition: Measured, products: Products | None) -> Take:
    """What ``definition`` takes from an event, its types aside.

    ConfigError for a product's field without ``products``, and for what the measure refuses.
    """
    source, where = definition.source, f"tag {definition.name}"
    assert source is not None
    measure_of(definition)
    value = _value(definition, source, products, where)
    if definition.where is None:
        return value

    def find(name: str) -> tuple[Answer, str]:
        get, kind, _ = _column(source, name, products, where)
        return get, {"decimal": "decimal"}.get(kind, kind)

    holds = tested(definition.where, find)
    return lambda event: value(event) if holds(event) is True else None


def shown(measure: Measure) -> Callable[[Value], str]:
    """How a value of the measure is written where it is kept as text."""
    if measure.type == "decimal":
        return decimal_text
    if measure.type == "date":
        return lambda value: date.fromordinal(int(value)).isoformat()
    return str


def decimal_text(millionths: Value) -> str:
    """A number of millionths with its six places."""
    whole, rest = divmod(abs(int(millionths)), MILLION)
    return f"{'-' if int(millionths) < 0 else ''}{whole}.{rest:06}"


def _value(
    definition: Measured, source: Source, products: Products | None, where: str
) -> Take:
    if definition.field is None:
        return lambda _: 1
    get, stored, is_exact = _column(source, definition.field, products, where)
    read = definition.read_as or stored
    if read == stored:
        return get
    if stored == "text":
        return _parsed(get, read)
    if stored == "integer" and read in ("text", "decimal") and is_exact:
        change: Callable[[Value], Value] = str if read == "text" else _scaled
        return lambda event: None if (came := get(event)) is None else change(came)
    raise ConfigError(
        f"a stream does not read a {stored} as {read}", expected=f"as: {stored}", got=read,
        where=where, todo="leave this tag to the daily run",
    )


def _scaled(value: Value) -> Value:
    return int(value) * MILLION


def _parsed(get: Take, read: ReadAs) -> Take:
    is_written = _FORMS[read].fullmatch
    parsers: dict[ReadAs, Callable[[str], Value | None]] = {
        "integer": int, "decimal": _millionths, "date": _ordinal,
    }
    parse = parsers[read]

    def value(event: Event) -> Value | None:
        came = get(event)
        return parse(str(came)) if came is not None and is_written(str(came)) else None

    return value


def _millionths(text: str) -> int:
    return int(Decimal(text).scaleb(6))


def _ordinal(text: str) -> int | None:
    try:
        return date.fromisoformat(text).toordinal()
    except ValueError:
        return None


def _column(
    source: Source, name: str, products: Products | None, where: str
) -> tuple[Take, ReadAs, bool]:
    """How a field is got from an event, how it is stored, and whether it is whole."""
    if source == "events":
        if name in ("source", "type"):
            return (lambda event: event.source if name == "source" else event.type), "text", True
        return (lambda event: event.properties.get(name) or None), "text", True
    if name in OF_PRODUCTS:
        return _of_product(name, products, where), "text", True
    kind = ORDER_LINES.schema.field(name).type
    if pa.types.is_decimal(kind):
        return _stored(name, lambda value: int(Decimal(value).scaleb(6))), "decimal", False
    if pa.types.is_date(kind):
        return _stored(name, date.toordinal), "date", True
    return _stored(name, None), ("text" if pa.types.is_string(kind) else "integer"), True


def _stored(name: str, change: Callable[[Any], Value] | None) -> Take:
    if change is None:
        return lambda event: event.line.get(name) if event.line else None
    turn = change

    def value(event: Event) -> Value | None:
        came = event.line.get(name) if event.line else None
        return None if came is None else turn(came)

    return value


def _of_product(name: str, products: Products | None, where: str) -> Take:
    if products is None:
        raise ConfigError(
            f"the {name} of a product stands in the catalogue, which may change the past",
            expected="a field of the event itself", got=name, where=where,
            todo="leave this tag to the daily run",
        )
    book = products

    def value(event: Event) -> Value | None:
        product = event.line.get("product_id") if event.line else None
        return book.get(product, {}).get(name) if product is not None else None

    return value
