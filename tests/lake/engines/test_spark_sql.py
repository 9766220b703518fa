"""What sqlglot cannot say to Spark is rewritten; what went wrong there is said in one line."""

from __future__ import annotations

from sqlglot import parse_one

from lake.engines.spark import cause
from lake.engines.spark_sql import rendered


def test_a_sorted_list_is_sorted_by_spark_and_unknown_when_empty() -> None:
    query = "SELECT (LIST(v ORDER BY n DESC, v) FILTER (WHERE n > 0))[1:3] AS top FROM t"
    said = rendered(parse_one(query, dialect="duckdb"))
    assert "ARRAY_SORT(COLLECT_LIST(STRUCT(-n AS k0, v AS k1, v AS kept))" in said
    assert "SLICE(" in said
    assert said.startswith("SELECT CASE WHEN COUNT(*) FILTER(WHERE n > 0) > 0 THEN ")


def test_other_brackets_stay_as_they_are() -> None:
    query = "SELECT properties['city'] FROM events"
    assert rendered(parse_one(query, dialect="duckdb")) == query


def test_the_cause_of_an_error_is_its_last_line_in_python_and_its_own_words_in_java() -> None:
    python = "An exception was thrown\nTraceback (most recent call last):\n" \
        '  File "a.py", line 1\n    x()\n' \
        "OSError: [Errno 28] No space left on device\n\n\tat org.apache.spark.X"
    assert cause(python) == "OSError: [Errno 28] No space left on device"
    java = "An error occurred while calling o1.x.\n: org.apache.Y: no master\n\tat org.apache.Z"
    assert cause(java) == "org.apache.Y: no master"
