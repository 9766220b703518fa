"""A rule tree as a Python predicate over the properties of one event.

A comparison with what is absent, or cannot be read as the number that the rule names, is unknown;
``not`` of unknown is unknown, and only what is true holds: SQL's three values, as everywhere.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.errors import ConfigError
from schemas.rules import LISTS, OF_TEXTS, UNARY, Rule

Properties = Mapping[str, str]
Answer = Callable[[Properties], bool | None]
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}


def holds(rule: Rule | None, where: str) -> Callable[[Properties], bool] | None:
    """Whether ``rule`` is true of properties; None where there is no rule.

    ConfigError with ``where`` when a value does not fit its operator.
    """
    if rule is None:
        return None
    answer = _answer(rule, where)
    return lambda properties: answer(properties) is True


def fields(rule: Rule | None) -> Iterator[str]:
    """The properties that a rule speaks of."""
    if rule is None:
        return
    if rule.field is not None:
        yield rule.field
    for part in rule.rules or []:
        yield from fields(part)


def _answer(rule: Rule, where: str) -> Answer:
    if rule.rules is None:
        return _leaf(rule, where)
    parts = [_answer(part, where) for part in rule.rules]
    decisive = rule.combinator == "or"

    def joined(properties: Properties) -> bool | None:
        answers = [part(properties) for part in parts]
        if decisive in answers:
            found: bool | None = decisive
        else:
            found = None if None in answers else not decisive
        return found if found is None or not rule.is_not else not found

    return joined


def _leaf(rule: Rule, where: str) -> Answer:
    assert rule.field is not None
    name, kind = rule.field, str(rule.operator)
    if kind in UNARY:
        is_null = kind == "null"
        return lambda properties: (not properties.get(name)) == is_null
    values = rule.value if isinstance(rule.value, list) else [rule.value]
    if kind in OF_TEXTS or (kind in LISTS) != isinstance(rule.value, list) or not values:
        raise _odd(rule, where)
    if kind.endswith("etween") and len(values) != 2:
        raise _odd(rule, where)
    is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    if not is_number and not all(isinstance(v, str) for v in values):
        raise _odd(rule, where)
    given: list[Any] = [Decimal(str(v)) for v in values] if is_number else list(values)
    compare = _comparison(kind, given)

    def answer(properties: Properties) -> bool | None:
        came: object = properties.get(name) or None
        if came is not None and is_number:
            came = _number(str(came))
        return None if came is None else compare(came)

    return answer


def _comparison(kind: str, given: list[Any]) -> Callable[[Any], bool]:
    if kind in _COMPARE:
        test, value = _COMPARE[kind], given[0]
        return lambda came: test(came, value)
    is_negated = kind.startswith("not")
    if kind.endswith("etween"):
        low, high = given
        return lambda came: (low <= came <= high) != is_negated
    return lambda came: (came in given) != is_negated


def _number(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _odd(rule: Rule, where: str) -> ConfigError:
    return ConfigError(
        f"{rule.operator} cannot compare a property with this",
        expected="a text or a number, a list of them for in and notIn, two for between",
        got=repr(rule.value), where=f"{where}, field {rule.field}",
    )
