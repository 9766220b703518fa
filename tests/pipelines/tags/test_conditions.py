"""Rule trees against a slow evaluation with three truth values."""

from __future__ import annotations

from typing import Any

import duckdb
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot import exp

from pipelines.tags.conditions import Operand, condition
from schemas.errors import ConfigError
from schemas.rules import Rule

TYPES = {"city": "text", "is_active": "boolean", "orders": "integer", "share": "number"}
VALUES: dict[str, list[Any]] = {
    "city": ["北京", "上海", "it's"], "is_active": [True, False], "orders": [0, 1, 2, 7],
    "share": [0, 0.25, 1.5],
}


def operand(name: str) -> Operand:
    return Operand(exp.column(name, quoted=True), TYPES[name])


@st.composite
def leaves(draw: st.DrawFn) -> dict[str, Any]:
    field = draw(st.sampled_from(sorted(TYPES)))
    operators = ["=", "!=", "null", "notNull"]
    if TYPES[field] != "boolean":
        operators += ["<", "<=", ">", ">=", "in", "notIn", "between", "notBetween"]
    operator = draw(st.sampled_from(operators))
    value = st.sampled_from(VALUES[field])
    count = 2 if operator.endswith("etween") else 3
    given_value: Any = draw(value)
    if operator in ("in", "notIn", "between", "notBetween"):
        given_value = draw(st.lists(value, min_size=min(count, 2), max_size=count))
    return {"field": field, "operator": operator, "value": given_value}


def groups(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "combinator": st.sampled_from(["and", "or"]),
            "not": st.booleans(),
            "rules": st.lists(inner, min_size=1, max_size=3),
        }
    )


TREES = st.recursive(leaves(), groups, max_leaves=8)
PERSONS = st.lists(
    st.fixed_dictionaries({n: st.sampled_from([None, *VALUES[n]]) for n in sorted(TYPES)}),
    min_size=1,
    max_size=12,
)


def holds(rule: dict[str, Any], row: dict[str, Any]) -> bool | None:
    """True, false, or unknown (None)."""
    if "rules" in rule:
        parts = [holds(part, row) for part in rule["rules"]]
        stop = rule["combinator"] == "or"
        found = stop if stop in parts else None if None in parts else not stop
        return found if found is None or not rule["not"] else not found
    value, given_value, operator = row[rule["field"]], rule["value"], rule["operator"]
    if operator in ("null", "notNull"):
        return (value is None) == (operator == "null")
    if value is None:
        return None
    return {
        "=": lambda: value == given_value, "!=": lambda: value != given_value,
        "<": lambda: value < given_value, "<=": lambda: value <= given_value,
        ">": lambda: value > given_value, ">=": lambda: value >= given_value,
        "in": lambda: value in given_value, "notIn": lambda: value not in given_value,
        "between": lambda: given_value[0] <= value <= given_value[1],
        "notBetween": lambda: not given_value[0] <= value <= given_value[1],
    }[operator]()


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE people (n INT, city TEXT, is_active BOOLEAN, orders BIGINT, share DOUBLE)"
    )
    return connection


@pytest.mark.rule("CDP-7")
@given(tree=TREES, persons=PERSONS)
def test_sql_chooses_whom_a_slow_evaluation_chooses(
    con: duckdb.DuckDBPyConnection, tree: dict[str, Any], persons: list[dict[str, Any]]
) -> None:
    con.execute("DELETE FROM people")
    for number, row in enumerate(persons):
        con.execute("INSERT INTO people VALUES (?, ?, ?, ?, ?)", [number, *row_of(row)])
    sql = condition(msgspec.convert(tree, Rule), operand, "test").sql(dialect="duckdb")
    chosen = {n for (n,) in con.execute(f"SELECT n FROM people WHERE {sql}").fetchall()}
    assert chosen == {n for n, row in enumerate(persons) if holds(tree, row)}


def row_of(row: dict[str, Any]) -> list[Any]:
    return [row[name] for name in ("city", "is_active", "orders", "share")]


@pytest.mark.parametrize(
    ("leaf", "message"),
    [
        ({"field": "orders", "operator": "=", "value": "two"}, "value of type integer"),
        ({"field": "orders", "operator": "=", "value": True}, r"True \(bool\)"),
        ({"field": "is_active", "operator": "=", "value": 1}, "value of type boolean"),
        ({"field": "is_active", "operator": ">", "value": True}, "expected: = or !="),
        ({"field": "city", "operator": "in", "value": "北京"}, "a list of text"),
        ({"field": "orders", "operator": "between", "value": [1]}, r"\[lowest, highest\]"),
        ({"field": "city", "operator": "=", "value": None}, "NoneType"),
    ],
)
def test_a_value_that_does_not_fit_is_refused(leaf: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        condition(msgspec.convert(leaf, Rule), operand, "audience a")
    assert f"audience a, field {leaf['field']}" in str(raised.value)
