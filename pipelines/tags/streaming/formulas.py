"""Values of definitions over what is kept: the formulas of ``cells`` and of the factory, plain.

Dates are ordinals here. ``Parts`` gives a measure over a window, ``dates`` the runs inside one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from sqlglot import exp

from pipelines.tags.cells import cells_of, value_type
from pipelines.tags.conditions import Operand, comparison, condition
from pipelines.tags.conditions import literal as checked_literal
from pipelines.tags.streaming.days import Kept, Part
from pipelines.tags.streaming.days import merge as add
from pipelines.tags.streaming.numbers import day_in, double, written
from pipelines.tags.streaming.rows import MILLION
from pipelines.tags.streaming.runs import inside
from pipelines.tags.streaming.truth import compared, literal, tested
from pipelines.tags.vocabulary import operand, values_of
from pipelines.tags.windows import AnyWindow, span
from schemas.rules import Comparison, Rule, Scalar
from schemas.tag_definitions import Tag, Type

Values = Mapping[str, Any]
Measure = Callable[[Kept, int], Any]
"""A measure's value of what is kept, on a date."""
Turn = Callable[[Values, Any], Any]
"""A tag's value of the values before it and its own measure's."""
NOTHING = Kept({})


@lru_cache(maxsize=1 << 14)
def reach(window: AnyWindow, day: int) -> tuple[int, int]:
    """First and last date of ``window`` on ``day``; 0 for the beginning of time."""
    found = span(window, date.fromordinal(day))
    return (0 if found.first is None else found.first.toordinal()), found.last.toordinal()


def over(kept: Kept, window: AnyWindow, day: int) -> Part:
    """All rows of ``window`` on ``day``, as one."""
    first, last = reach(window, day)
    parts = [part for on, part in kept.days.items() if first <= on <= last]
    if not first and kept.before is not None:
        parts.append(kept.before)
    if len(parts) == 1:
        return parts[0]
    whole = Part()
    for part in parts:
        add(whole, part)
    return whole


def measured(tag: Tag) -> Measure:
    """The value of a tag over a source."""
    assert tag.window is not None
    window, operation = tag.window, tag.measure
    is_decimal = cells_of(tag)[0].measure.type == "decimal"
    if operation in ("days_active", "days_since", "days_since_first", "streak"):
        return _of_dates(tag, window)
    of_part = _of_part(tag, is_decimal)
    return lambda kept, day: of_part(over(kept, window, day), day)


def _of_part(tag: Tag, is_decimal: bool) -> Callable[[Part, int], Any]:
    n = tag.n or 0
    forms: dict[str, Callable[[Part, int], Any]] = {
        "count": lambda part, _: part.count,
        "any": lambda part, _: part.count > 0,
        "sum": lambda part, _: double(_millionths(part)) if is_decimal else part.sum,
        "avg": lambda part, _: _mean(part, is_decimal),
        "min": lambda part, _: _extreme(part.least, is_decimal),
        "max": lambda part, _: _extreme(part.most, is_decimal),
        "first": lambda part, _: _said(part.first, tag),
        "last": lambda part, _: _said(part.last, tag),
        "years_since": lambda part, day: _years(part.last, day),
        "distinct_count": lambda part, _: len(part.values),
        "most_frequent": lambda part, _: next(iter(_ranked(part, 1)), None),
        "top_n": lambda part, _: _ranked(part, n) or None,
    }
    return forms[str(tag.measure)]


def _millionths(part: Part) -> int:
    return part.sum * MILLION + part.millionths


def _mean(part: Part, is_decimal: bool) -> float | None:
    if not part.count:
        return None
    total = double(_millionths(part)) if is_decimal else float(part.sum)
    return total / part.count


def _extreme(value: int | None, is_decimal: bool) -> float | int | None:
    return value if value is None or not is_decimal else double(value)


def _said(moment: tuple[int, str] | None, tag: Tag) -> Any:
    if moment is None:
        return None
    kind = value_type(tag)
    if kind == "date":
        return date.fromisoformat(moment[1]).toordinal()
    return {"integer": int, "number": float}.get(kind, str)(moment[1])


def _years(moment: tuple[int, str] | None, day: int) -> int | None:
    since = day_in(moment[1]) if moment is not None else None
    if since is None or since > day:
        return None
    then, now = date.fromordinal(since), date.fromordinal(day)
    return now.year - then.year - ((then.month, then.day) > (now.month, now.day))


def _ranked(part: Part, n: int) -> list[str]:
    if n == 1:
        best = min(part.values.items(), key=lambda one: (-one[1], one[0]), default=None)
        return [] if best is None else [best[0]]
    return sorted(part.values, key=lambda value: (-part.values[value], value))[:n]


def _of_dates(tag: Tag, window: AnyWindow) -> Measure:
    def value(kept: Kept, day: int) -> Any:
        asked: AnyWindow = "ever" if tag.measure == "streak" else window
        runs = inside(kept.dates, *reach(asked, day))
        if tag.measure == "days_active":
            return sum(last - first + 1 for first, last in runs)
        if tag.measure == "streak":
            length = day - runs[-1][0] + 1 if runs and runs[-1][1] == day else 0
            most = None if window == "ever" else window.days
            return length if most is None else min(length, most)
        if not runs:
            return None
        return day - (runs[-1][1] if tag.measure == "days_since" else runs[0][0])

    return value


def turned(tag: Tag, known: dict[str, Tag]) -> Turn:
    """The tag's value: its origin, mapped, turned, and given what stands for the unknown.

    ConfigError where a condition does not fit what it is of.
    """
    origin, kind = _origin(tag, known)
    turn = _turn(tag, known, kind)
    spellings, listed = tag.map, frozenset(tag.values)
    stand_in = None if tag.otherwise is None else _stand_in(tag, tag.otherwise)
    if not spellings and not listed and stand_in is None:
        if tag.condition is None and tag.bands is None:
            return origin
        return lambda values, raw: turn(origin(values, raw))

    def value(values: Values, raw: Any) -> Any:
        found = origin(values, raw)
        if spellings:
            found = spellings.get(found, found)
        if listed and found not in listed:
            found = None
        found = turn(found)
        return stand_in if found is None else found

    return value


def _stand_in(tag: Tag, value: Scalar) -> Any:
    checked_literal(value, Operand(exp.null(), tag.type), f"tag {tag.name}, otherwise")
    return literal(value, tag.type)


def _origin(tag: Tag, known: dict[str, Tag]) -> tuple[Turn, Type]:
    if tag.source is not None:
        return (lambda _, raw: raw), value_type(tag)
    if tag.of is not None:
        name = tag.of
        return (lambda values, _: values[name]), known[name].type
    if tag.rule is not None:
        holds = _rule(tag.rule, tag, known)
        return (lambda values, _: holds(values)), "boolean"
    if tag.stages is not None:
        stages = [(one.value, _rule(one.when, tag, known)) for one in reversed(tag.stages)]
        return (
            lambda values, _: next((name for name, when in stages if when(values) is True), None)
        ), "text"
    if tag.ratio is not None:
        return _ratio(tag.ratio.of, tag.ratio.to), "number"
    return _joined([(name, known[name].type) for name in tag.join or []]), "text"


def _ratio(part: str, whole: str) -> Turn:
    def value(values: Values, _: Any) -> float | None:
        given, by = values[part], values[whole]
        return None if given is None or not by else float(given) / float(by)

    return value


def _joined(parts: list[tuple[str, Type]]) -> Turn:
    def value(values: Values, _: Any) -> str | None:
        given = [(values[name], kind) for name, kind in parts]
        if any(one is None for one, _ in given):
            return None
        return "".join(written(one, kind) for one, kind in given)

    return value


def _rule(rule: Rule, tag: Tag, known: dict[str, Tag]) -> Callable[[Values], bool | None]:
    """A condition over other tags; a text in it may use any of the spellings of its tag."""
    where = f"tag {tag.name}"
    condition(rule, lambda name: operand(known, name, where), where)

    def find(name: str) -> tuple[Callable[[Values], Any], str]:
        return (lambda values: values[name]), known[name].type

    return tested(_spelt(rule, known), find)


def _spelt(rule: Rule, known: dict[str, Tag]) -> Rule:
    if rule.rules is not None:
        parts = [_spelt(part, known) for part in rule.rules]
        return Rule(combinator=rule.combinator, rules=parts, is_not=rule.is_not)
    spellings = known[str(rule.field)].map
    return Rule(field=rule.field, operator=rule.operator, value=_meant(rule.value, spellings))


def _meant(value: Any, spellings: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_meant(one, spellings) for one in value]
    return spellings.get(value, value) if isinstance(value, str) else value


def _turn(tag: Tag, known: dict[str, Tag], kind: Type) -> Callable[[Any], Any]:
    if tag.condition is not None:
        of = known[tag.of] if tag.of else tag
        given = Operand(exp.null(), kind, of.map, values_of(of))
        comparison(tag.condition, given, f"tag {tag.name}")
        test = Comparison(tag.condition.operator, _meant(tag.condition.value, of.map))
        return compared(test, kind)
    if tag.bands is None:
        return lambda found: found
    bands = [(band.below, band.value) for band in tag.bands]

    def banded(found: Any) -> str | None:
        if found is None:
            return None
        return next(name for below, name in bands if below is None or found < below)

    return banded
