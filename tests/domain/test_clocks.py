"""A sender's clock is set right by the receiver's, alike in Python and in SQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clocks import Corrected, correct, correct_sql
from schemas.sources import Clock

CLOCK = Clock(sent="sent", received="received")
RECEIVED = datetime(2017, 3, 1, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.rule("CDP-2")
def test_timestamp_is_received_minus_sent_minus_original() -> None:
    original, sent = RECEIVED + 3 * HOUR, RECEIVED + 3 * HOUR + timedelta(seconds=5)
    found = correct(original, sent, RECEIVED, CLOCK)
    assert found == Corrected(RECEIVED - timedelta(seconds=5), True, False)


@pytest.mark.parametrize(("seconds", "is_corrected"), [(60, False), (61, True), (-61, True)])
def test_a_minute_between_sending_and_receipt_is_the_networks(
    seconds: int, is_corrected: bool
) -> None:
    sent = RECEIVED - timedelta(seconds=seconds)
    assert correct(sent, sent, RECEIVED, CLOCK).is_corrected is is_corrected


@pytest.mark.parametrize(
    ("original", "is_suspect"),
    [
        (RECEIVED + HOUR, False),
        (RECEIVED + HOUR + timedelta(microseconds=1), True),
        (RECEIVED - 400 * DAY, False),
        (RECEIVED - 400 * DAY - timedelta(microseconds=1), True),
    ],
)
def test_without_a_usable_sent_at_only_what_is_believable_stays(
    original: datetime, is_suspect: bool
) -> None:
    wanted = Corrected(RECEIVED if is_suspect else original, False, is_suspect)
    assert correct(original, None, RECEIVED, CLOCK) == wanted


def test_a_correction_that_is_not_believable_is_suspect() -> None:
    sent = RECEIVED + 100 * DAY
    found = correct(sent - 500 * DAY, sent, RECEIVED, CLOCK)
    assert found == Corrected(RECEIVED, False, True)


instants = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(
    lambda at: at.replace(tzinfo=UTC)
)
near = st.integers(-90_000_000_000, 90_000_000_000).map(
    lambda us: RECEIVED + timedelta(microseconds=us)
)


@given(instants | near, st.none() | instants | near, near)
def test_sql_and_python_agree(
    original: datetime, sent: datetime | None, received: datetime
) -> None:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    values = (
        "SELECT CAST(? AS TIMESTAMPTZ) AS o, CAST(? AS TIMESTAMPTZ) AS s, "
        "CAST(? AS TIMESTAMPTZ) AS r"
    )
    row = con.execute(
        f"SELECT {correct_sql('o', 's', 'r', CLOCK)} FROM ({values})", [original, sent, received]
    ).fetchone()
    assert row is not None
    found = correct(original, sent, received, CLOCK)
    assert row[0] == {
        "at": found.at, "is_corrected": found.is_corrected, "is_suspect": found.is_suspect
    }
