"""What a free query may be: one that the database can run, of the tag's type, before it runs."""

from __future__ import annotations

from typing import Any

import pytest

from domain.definitions import parse_placed
from pipelines.tags.checks import Known, checked, right
from pipelines.tags.places import Entry
from schemas.errors import ConfigError
from schemas.tag_definitions import TagFile, Type
from tests.tiny import tag

NOBODY = Known([], [])


def faults(sql: str, type_: Type = "integer") -> list[ConfigError]:
    return right([Entry(tag("t", sql=sql, type=type_))], NOBODY)[1]


@pytest.mark.parametrize(
    ("sql", "type_", "says", "got"),
    [
        ("SELECT one_id, nope AS value FROM persons", "integer", "cannot be run", '"nope"'),
        ("SELECT one_id, count(*) AS value FROM persons", "integer", "cannot be run", "GROUP BY"),
        ("SELECT one_id, nofn(1) AS value FROM persons", "integer", "same on each run", "NOFN"),
        ("SELECT one_id, epoch(age(DATE '2017-01-01')) AS value FROM persons", "number",
         "same on each run", "AGE"),
        ("SELECT one_id, 1 AS value FROM persons TABLESAMPLE 10%", "integer", "same on each run",
         "TABLESAMPLE"),
        ("WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) "
         "SELECT one_id, n AS value FROM persons, t", "integer", "come to an end", "one"),
        ("SELECT one_id, 'x' AS value FROM persons", "integer", "gives no integer", "VARCHAR"),
        ("SELECT one_id, 1.5 AS value FROM persons", "integer", "gives no integer", "DECIMAL"),
        ("SELECT one_id, [1] AS value FROM persons", "texts", "gives no texts", "INTEGER[]"),
        ("SELECT one_id, 1 AS value FROM persons", "boolean", "gives no boolean", "INTEGER"),
    ],
)
def test_a_query_that_cannot_give_the_tag_is_found_before_it_runs(
    sql: str, type_: Type, says: str, got: str
) -> None:
    (error,) = faults(sql, type_)
    assert says in str(error).split("\n")[0]
    assert got in error.got
    assert error.expected
    assert error.todo


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("count_identifiers", "integer"), ("CAST(sum(person_no) AS BIGINT)", "integer"),
        ("sum(person_no)", "integer"), ("avg(person_no)", "number"), ("1.5", "number"),
        ("max(one_id)", "text"), ("list(one_id)", "texts"), ("CAST(max(born_at) AS DATE)", "date"),
        ("count(*) > 1", "boolean"), ("CAST(NULL AS VARCHAR)", "text"),
    ],
)
def test_a_query_of_the_tags_type_is_right(value: str, type_: Type) -> None:
    sql = f"SELECT one_id, {value} AS value FROM persons GROUP BY one_id, count_identifiers"
    assert faults(sql, type_) == []


def test_a_query_over_measures_is_left_to_the_lake() -> None:
    sql = "SELECT p.one_id, m.sum_1234 AS value FROM persons AS p JOIN person_measures AS m "
    assert faults(sql + "ON m.person_no = p.person_no") == []


def test_the_fault_of_a_defined_query_has_its_line() -> None:
    fields: dict[str, Any] = {"label": "x", "kind": "rule", "type": "integer"}
    text = "tags:\n  - name: t\n" + "".join(f"    {k}: {v}\n" for k, v in fields.items())
    text += "    sql: |\n      SELECT one_id,\n        nope AS value\n      FROM persons\n"
    with pytest.raises(ConfigError, match=r"at: t.yml:\d+ \(tag t\)"):
        checked([parse_placed(text, "t.yml", TagFile)], [], [])
