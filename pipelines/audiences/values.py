"""The values that leaves compare with, written once for both plans."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import cast

from sqlglot import exp

from pipelines.tags.conditions import Operand, comparison
from schemas.errors import ConfigError
from schemas.rules import LISTS, UNARY, Comparison, Operator, Scalar
from schemas.tag_definitions import Type

OPPOSITE: dict[Operator, Operator] = {
    "=": "!=", "<": ">=", "<=": ">", "in": "notIn", "between": "notBetween", "null": "notNull",
    "contains": "doesNotContain",
}
OPPOSITE |= {other: one for one, other in OPPOSITE.items()}


def plain(
    test: Comparison, kind: Type, where: str, spelling: Mapping[str, str] | None = None,
    known: tuple[str, ...] = (),
) -> Comparison:
    """``test`` with its values as the operand writes them: one spelling, whole dates, 64 bits.

    ConfigError for an operator that does not fit ``kind``, a value of another type, or one that
    is not among ``known``.
    """
    operand = Operand(exp.column("value"), kind, spelling or {}, known)
    comparison(test, operand, where)
    if test.operator in UNARY:
        return Comparison(test.operator)
    given = test.value if isinstance(test.value, list) else [cast(Scalar, test.value)]
    made = [_plain(value, kind, operand.map, where) for value in given]
    return Comparison(test.operator, made if test.operator in LISTS else made[0])


def _plain(value: Scalar, kind: Type, spelling: Mapping[str, str], where: str) -> Scalar:
    if kind == "date":
        return date.fromisoformat(str(value)).isoformat()
    if isinstance(value, str):
        return spelling.get(value, value)
    if kind == "number":
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise _no_number(value, where)
        return number + 0.0
    if kind == "integer" and not -(2**63) <= value < 2**63:
        raise _no_number(value, where)
    return value


def _no_number(value: Scalar, where: str) -> ConfigError:
    return ConfigError(
        "a number that no value can have", expected="a finite number of 64 bits",
        got=str(value), where=where,
    )


def sql(test: Comparison, column: str, kind: Type) -> str:
    """``test`` of a column (a SQL expression) in SQL; NULL where the column is."""
    tree = comparison(test, Operand(exp.column("value"), kind), "")
    if kind == "number":
        tree = tree.transform(_as_double)
    return tree.transform(_in_place_of, column).sql(dialect="duckdb")


def _as_double(node: exp.Expr) -> exp.Expr:
    """A decimal literal is read digit by digit, and must be the number that Python read."""
    if isinstance(node, exp.Literal) and not node.is_string:
        return exp.cast(exp.Literal.string(node.name), exp.DataType.Type.DOUBLE)
    return node


def _in_place_of(node: exp.Expr, column: str) -> exp.Expr:
    return exp.column(column, quoted=True) if isinstance(node, exp.Column) else node
