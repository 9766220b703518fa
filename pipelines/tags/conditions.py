"""Rule trees become sqlglot trees.

A comparison with an unknown value is unknown, `not` of unknown is unknown, and only what is true
is in; `null` and `notNull` are never unknown (SQL's three values, alike on every engine).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from sqlglot import exp

from schemas.errors import ConfigError
from schemas.rules import LISTS, OF_TEXTS, UNARY, Comparison, Rule, Scalar

_BINARY: dict[str, type[exp.Binary]] = {
    "=": exp.EQ, "!=": exp.NEQ, "<": exp.LT, "<=": exp.LTE, ">": exp.GT, ">=": exp.GTE,
}
_PYTHON: dict[str, tuple[type, ...]] = {
    "boolean": (bool,), "integer": (int,), "number": (int, float), "text": (str,), "date": (str,),
}
_SHAPES = {"texts": "list"}


@dataclass(frozen=True, slots=True)
class Operand:
    """What a rule speaks of: SQL, type, spellings of its values and, where few, all of them."""

    sql: exp.Expr
    type: str
    map: Mapping[str, str] = field(default_factory=dict)
    values: tuple[str, ...] = ()


Find = Callable[[str], Operand]


def condition(rule: Rule, find: Find, where: str) -> exp.Expr:
    """``rule`` as a boolean SQL tree; ``find`` gives the operand of a field or raises ConfigError.

    ``where`` names the definition in errors: wrong types of value, operators that do not fit.
    """
    if rule.rules is None:
        assert rule.field is not None
        assert rule.operator is not None
        leaf = Comparison(rule.operator, rule.value)
        return comparison(leaf, find(rule.field), f"{where}, field {rule.field}")
    parts = [exp.paren(condition(part, find, where)) for part in rule.rules]
    joined = exp.or_(*parts) if rule.combinator == "or" else exp.and_(*parts)
    return exp.not_(exp.paren(joined)) if rule.is_not else joined


def comparison(test: Comparison, operand: Operand, where: str) -> exp.Expr:
    """``operand`` held against the value of ``test``."""
    sql, operator = operand.sql.copy(), test.operator
    if operator in UNARY:
        known = exp.Is(this=sql, expression=exp.null())
        return known if operator == "null" else exp.not_(known)
    if operand.type == "texts" and operator in OF_TEXTS:
        return _of_texts(test, operand, where)
    if operand.type not in _PYTHON or operator in OF_TEXTS:
        raise ConfigError(
            f"{operator} cannot compare a {_SHAPES.get(operand.type, operand.type)}",
            expected="contains, doesNotContain, null or notNull" if operand.type == "texts"
            else "null, notNull, = and the like", got=operator,
            where=where, todo="lists are asked what they contain, and only lists are",
        )
    if operand.type == "boolean" and operator not in ("=", "!="):
        raise ConfigError(
            f"{operator} cannot compare a boolean", expected="= or !=", got=operator, where=where
        )
    if operator in LISTS:
        return _of_list(operator, sql, _values(test, operand, where), where)
    if isinstance(test.value, list) or test.value is None:
        raise _wrong_value(operator, operand, test.value, where)
    value = literal(test.value, operand, where)
    return _BINARY[operator](this=sql, expression=value)


def _of_texts(test: Comparison, operand: Operand, where: str) -> exp.Expr:
    """Whether a list has the text among its own."""
    if isinstance(test.value, list) or test.value is None:
        raise _wrong_value(test.operator, Operand(operand.sql, "text"), test.value, where)
    given = Operand(operand.sql, "text", operand.map, operand.values)
    value = literal(test.value, given, where)
    inside = exp.ArrayContains(this=operand.sql.copy(), expression=value)
    return inside if test.operator == "contains" else exp.not_(inside)


def _of_list(
    operator: str, sql: exp.Expr, values: list[exp.Expr], where: str
) -> exp.Expr:
    if operator.endswith("etween"):
        if len(values) != 2:
            raise ConfigError(
                f"{operator} takes two values", expected="[lowest, highest]",
                got=f"{len(values)} values", where=where,
            )
        _require_order(values, where)
        inside: exp.Expr = exp.Between(this=sql, low=values[0], high=values[1])
    else:
        inside = exp.In(this=sql, expressions=values)
    return exp.not_(inside) if operator.startswith("not") else inside


def _values(test: Comparison, operand: Operand, where: str) -> list[exp.Expr]:
    if not isinstance(test.value, list) or not test.value:
        raise _wrong_value(test.operator, operand, test.value, where)
    return [literal(value, operand, where) for value in test.value]


def literal(value: Scalar, operand: Operand, where: str) -> exp.Expr:
    """``value`` as a SQL literal of the operand's type, in the operand's spelling."""
    fits = _PYTHON[operand.type]
    if not isinstance(value, fits) or (isinstance(value, bool) and bool not in fits):
        raise _wrong_value("", operand, value, where)
    if operand.type == "date":
        return _date(str(value), operand, where)
    if not isinstance(value, str):
        return exp.convert(value)
    spelt = operand.map.get(value, value)
    if operand.values and spelt not in operand.values:
        raise ConfigError(
            "a value that never occurs", expected="one of " + ", ".join(operand.values),
            got=repr(value), where=where,
        )
    return exp.Literal.string(spelt)


def _date(value: str, operand: Operand, where: str) -> exp.Expr:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise _wrong_value("", operand, value, where) from None
    return exp.cast(exp.Literal.string(value), exp.DataType.Type.DATE)


def _wrong_value(operator: str, operand: Operand, value: object, where: str) -> ConfigError:
    shape = "a list of " if operator in LISTS else "a value of type "
    return ConfigError(
        "a value of the wrong type", expected=shape + operand.type,
        got=f"{value!r} ({type(value).__name__})", where=where,
        todo="write the value in the type of the field",
    )


def _require_order(values: list[exp.Expr], where: str) -> None:
    """Nothing lies between 30 and 20."""
    numbers = [value for value in values if value.is_number]
    if len(numbers) == 2 and float(values[0].to_py()) > float(values[1].to_py()):
        raise ConfigError(
            "nothing lies between the two", expected="[lowest, highest]",
            got=f"[{values[0].sql()}, {values[1].sql()}]", where=where, todo="turn the two round",
        )
