"""The latest statement wins and a missing one is a no, alike in Python and in SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.consent import Statement, consent_sql, is_granted

START = datetime(2017, 3, 1, tzinfo=UTC)
NOW = START + timedelta(days=9)


def said(
    status: str, day: int, channel: str = "sms", purpose: str = "marketing",
    received: int | None = None,
) -> Statement:
    at = START + timedelta(days=day if received is None else received)
    return Statement(purpose, channel, status, START + timedelta(days=day), at)


@pytest.mark.parametrize(
    ("statements", "wanted"),
    [
        ([], False),
        ([said("granted", 1)], True),
        ([said("granted", 1, purpose="analytics")], False),
        ([said("granted", 1, channel="push")], False),
        ([said("granted", 1, channel="any")], True),
        ([said("granted", 1), said("withdrawn", 2)], False),
        ([said("withdrawn", 1), said("granted", 2)], True),
        ([said("granted", 1, channel="any"), said("withdrawn", 2)], False),
        ([said("withdrawn", 1), said("granted", 2, channel="any")], True),
        ([said("granted", 1), said("withdrawn", 1)], False),
        ([said("granted", 10)], False),
        ([said("granted", 1), said("withdrawn", 300, received=2)], False),
        ([said("granted", 1), said("withdrawn", 300, received=2), said("granted", 3)], True),
        ([said("granted", 300, received=1)], False),
        ([said("granted", 8, received=1), said("withdrawn", 2)], False),
        ([said("granted", 1), said("withdrawn", 2, received=300)], False),
    ],
)
def test_the_latest_statement_decides(statements: list[Statement], wanted: bool) -> None:
    assert is_granted(statements, "marketing", "sms", NOW) is wanted
    assert is_granted(statements[::-1], "marketing", "sms", NOW) is wanted


statements = st.lists(
    st.builds(
        said,
        st.sampled_from(["granted", "withdrawn"]),
        st.integers(0, 12),
        st.sampled_from(["sms", "push", "any"]),
        st.sampled_from(["marketing", "o'purpose"]),
        st.integers(0, 12),
    ),
    max_size=6,
)


@given(
    st.lists(statements, min_size=1, max_size=4),
    st.sampled_from(["marketing", "o'purpose"]),
    st.sampled_from(["sms", "wechat"]),
)
def test_sql_and_python_agree(people: list[list[Statement]], purpose: str, channel: str) -> None:
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE consents (bundle_id BIGINT, business_date DATE, occurred_at TIMESTAMPTZ, "
        "received_at TIMESTAMPTZ, purpose VARCHAR, channel VARCHAR, status VARCHAR)"
    )
    con.execute(
        "CREATE TABLE bundle_persons AS SELECT range AS bundle_id, 'p' || range AS one_id, "
        f"DATE '0001-01-01' AS valid_from, DATE '9999-12-31' AS valid_to FROM range({len(people)})"
    )
    for number, heard in enumerate(people):
        for one in heard:
            row = [number, one.occurred_at.date(), one.occurred_at, one.received_at, one.purpose]
            con.execute(
                "INSERT INTO consents VALUES (?, ?, ?, ?, ?, ?, ?)",
                [*row, one.channel, one.status],
            )
    sql = consent_sql(purpose, channel, f"TIMESTAMPTZ '{NOW.isoformat()}'")
    found = {one_id for (one_id,) in con.execute(sql).fetchall()}
    assert found == {
        f"p{n}" for n, heard in enumerate(people) if is_granted(heard, purpose, channel, NOW)
    }


def test_a_statement_counts_for_whoever_held_the_bundle_that_day() -> None:
    con = duckdb.connect()
    con.execute(
        "CREATE TABLE consents AS SELECT 1 AS bundle_id, DATE '2017-03-02' AS business_date, "
        "TIMESTAMPTZ '2017-03-02 00:00:00+00' AS occurred_at, occurred_at AS received_at, "
        "'marketing' AS purpose, "
        "'sms' AS channel, 'granted' AS status"
    )
    con.execute(
        "CREATE TABLE bundle_persons AS SELECT 1 AS bundle_id, 'a' AS one_id, "
        "DATE '0001-01-01' AS valid_from, DATE '2017-03-02' AS valid_to "
        "UNION ALL SELECT 1, 'b', DATE '2017-03-02', DATE '9999-12-31'"
    )
    assert con.execute(consent_sql("marketing", "sms")).fetchall() == [("b",)]
