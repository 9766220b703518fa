"""Rule trees as Python predicates with SQL's three values: true, false, unknown (None)."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from schemas.rules import LISTS, OF_TEXTS, UNARY, Comparison, Rule, Scalar

Answer = Callable[[Any], Any]
Find = Callable[[str], tuple[Answer, str]]
"""How a field is got, and of which type it is; dates are ordinals, decimals millionths."""
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
    ">": operator.gt, ">=": operator.ge,
}


def tested(rule: Rule, find: Find) -> Callable[[Any], bool | None]:
    """Whether ``rule`` is true of what the fields are got from.

    The rule is one that ``pipelines.tags.conditions`` takes.
    """
    if rule.rules is None:
        get, kind = find(str(rule.field))
        assert rule.operator is not None
        compare = compared(Comparison(rule.operator, rule.value), kind)
        return lambda row: compare(get(row))
    parts = [tested(part, find) for part in rule.rules]
    decisive = rule.combinator == "or"
    is_not = rule.is_not

    def joined(row: Any) -> bool | None:
        is_unknown = False
        for part in parts:
            said = part(row)
            if said is decisive:
                return decisive != is_not
            is_unknown = is_unknown or said is None
        return None if is_unknown else decisive == is_not

    return joined


def compared(test: Comparison, kind: str) -> Callable[[Any], bool | None]:
    """``test`` of a value of type ``kind``; texts are spelt as they are here."""
    sign = test.operator
    if sign in UNARY:
        is_null = sign == "null"
        return lambda value: (value is None) is is_null
    if sign in LISTS:
        assert isinstance(test.value, list)
        return _of_list(sign, [literal(one, kind) for one in test.value])
    assert test.value is not None
    assert not isinstance(test.value, list)
    given = literal(test.value, kind)
    if sign in OF_TEXTS:
        wanted = sign == "contains"
        return lambda value: None if value is None else (given in value) is wanted
    compare = _COMPARE[sign]
    return lambda value: None if value is None else compare(value, given)


def _of_list(sign: str, given: list[Any]) -> Callable[[Any], bool | None]:
    wanted = not sign.startswith("not")
    if sign.endswith("etween"):
        low, high = given
        return lambda value: None if value is None else (low <= value <= high) is wanted
    among = frozenset(given)
    return lambda value: None if value is None else (value in among) is wanted


def literal(value: Scalar, kind: str) -> Any:
    """A value of a rule in the form in which it is compared."""
    if kind == "date":
        return date.fromisoformat(str(value)).toordinal()
    if kind == "decimal":
        return Decimal(str(value)).scaleb(6)
    return value
