"""Measures the slow way: from single rows, in plain loops, to hold the fast plans against."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.measured import Measured
from schemas.rules import Rule

Row = Mapping[str, Any]
"""A row of a source with ``bundle``, ``at`` (local time), ``on`` (date) and its fields."""


@dataclass(frozen=True)
class Stretch:
    """Whose a bundle was, from a date to before another."""

    bundle: int
    person: str
    first: date = date.min
    end: date = date.max


def expected(
    definition: Measured, rows: Sequence[Row], stretches: Sequence[Stretch], day: date
) -> dict[str, Any]:
    """The definition's value on ``day`` for every person of ``stretches``."""
    held: dict[str, list[tuple[datetime, date, Any]]] = {s.person: [] for s in stretches}
    for row in rows:
        taken = _taken(definition, row)
        if row["from"] != definition.source or taken is None:
            continue
        if not _is_inside(definition.window, row["on"], day):
            continue
        for s in stretches:
            if s.bundle == row["bundle"] and s.first <= row["on"] < s.end:
                held[s.person].append((row["at"], row["on"], taken))
    return {person: _value(definition, found, day) for person, found in held.items()}


def _taken(definition: Measured, row: Row) -> Any:
    if definition.types and row.get("type") not in definition.types:
        return None
    if definition.where is not None and fulfils(row, definition.where) is not True:
        return None
    if definition.field is None:
        return True
    found = row.get(definition.field)
    if found in (None, ""):
        return None
    readers: dict[str, Callable[[str], Any]] = {
        "integer": int, "decimal": Decimal, "date": date.fromisoformat,
    }
    try:
        return readers[definition.read_as](found) if definition.read_as in readers else found
    except (ValueError, InvalidOperation):
        return None


def fulfils(row: Row, rule: Rule) -> bool | None:
    """Whether a rule is true of a row; None where that is unknown."""
    if rule.rules is not None:
        said = [fulfils(row, part) for part in rule.rules]
        decisive = rule.combinator == "or"
        found = decisive if decisive in said else None if None in said else not decisive
        return found if found is None or not rule.is_not else not found
    value = row.get(rule.field or "")
    # A property that is empty says nothing.
    return compare(str(rule.operator), None if value == "" else value, rule.value)


def compare(operator: str, value: Any, given: Any) -> bool | None:
    """A comparison; None where the value is unknown."""
    if operator in ("null", "notNull"):
        return (value is None) == (operator == "null")
    if value is None:
        return None
    if operator in ("contains", "doesNotContain"):
        return (given in value) == (operator == "contains")
    if operator in ("in", "notIn"):
        return (value in given) == (operator == "in")
    if operator in ("between", "notBetween"):
        return bool(given[0] <= value <= given[1]) == (operator == "between")
    return bool({
        "=": value == given, "!=": value != given, "<": value < given, "<=": value <= given,
        ">": value > given, ">=": value >= given,
    }[operator])


def _is_inside(window: Any, on: date, day: date) -> bool:
    if on > day:
        return False
    if window == "ever":
        return True
    if window.last:
        return on > day - timedelta(days=int(window.last.split()[0]))
    if window.between:
        return bool(window.between[0] <= on <= window.between[1])
    unit = window.this or window.previous
    if window.this:
        return _number(on, unit) == _number(day, unit)
    before = day
    while _number(before, unit) == _number(day, unit):
        before -= timedelta(days=1)
    return _number(on, unit) == _number(before, unit)


def _number(day: date, unit: str) -> Any:
    return {
        "day": day, "week": day.isocalendar()[:2], "month": (day.year, day.month),
        "quarter": (day.year, (day.month - 1) // 3), "year": day.year,
    }[unit]


def _value(definition: Measured, found: list[tuple[datetime, date, Any]], day: date) -> Any:
    values, dates = [taken for _, _, taken in found], {on for _, on, _ in found}
    operation = definition.measure
    if operation in ("count", "any", "distinct_count", "days_active", "sum"):
        return {
            "count": len(values), "any": bool(values), "distinct_count": len(set(values)),
            "days_active": len(dates), "sum": sum(values) if operation == "sum" else 0,
        }[operation]
    if operation == "streak":
        return _streak(definition, dates, day)
    if not values:
        return None
    counted = Counter(str(value) for value in values)
    ranked = sorted(counted, key=lambda value: (-counted[value], value))
    in_order = sorted(found, key=lambda one: (one[0], str(one[2])))
    return {
        "avg": lambda: float(sum(values)) / len(values),
        "min": lambda: min(values),
        "max": lambda: max(values),
        "first": lambda: in_order[0][2],
        "last": lambda: in_order[-1][2],
        "most_frequent": lambda: ranked[0],
        "top_n": lambda: ranked[: definition.n],
        "days_since": lambda: (day - max(dates)).days,
        "days_since_first": lambda: (day - min(dates)).days,
        "years_since": lambda: _years(in_order[-1][2], day),
    }[operation or "count"]()


def _streak(definition: Measured, dates: set[date], day: date) -> int:
    length = 0
    while day - timedelta(days=length) in dates:
        length += 1
    return length


def _years(text: str, day: date) -> int | None:
    try:
        since = date.fromisoformat(text)
    except ValueError:
        return None
    if since > day:
        return None
    return day.year - since.year - ((day.month, day.day) < (since.month, since.day))
