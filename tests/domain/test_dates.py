from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.dates import (
    business_date,
    business_date_sql,
    cut,
    day_start,
    days,
    local_time_sql,
)

ZONES = ["Asia/Shanghai", "America/New_York", "Europe/London", "Pacific/Apia"]


def test_a_business_date_turns_at_midnight_of_the_programme() -> None:
    before = datetime(2017, 12, 31, 15, 59, 59, 999999, tzinfo=UTC)
    assert business_date(before, "Asia/Shanghai") == date(2017, 12, 31)
    assert business_date(before + timedelta(microseconds=1), "Asia/Shanghai") == date(2018, 1, 1)


def test_the_cut_is_the_end_of_the_date_plus_its_hours() -> None:
    assert cut(date(2017, 12, 31), "Asia/Shanghai", 3) == datetime(2017, 12, 31, 19, tzinfo=UTC)


def test_a_day_of_twenty_three_hours_still_ends_at_midnight() -> None:
    spring = date(2017, 3, 12)
    start, end = (day_start(d, "America/New_York") for d in (spring, spring + timedelta(1)))
    assert end - start == timedelta(hours=23)


def test_days_are_half_open() -> None:
    assert list(days(date(2017, 1, 30), date(2017, 2, 2))) == [
        date(2017, 1, 30), date(2017, 1, 31), date(2017, 2, 1)
    ]


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "UTC", "Europe/London", "Asia/Kathmandu"])
@given(at=st.datetimes(datetime(1970, 1, 1), datetime(2037, 1, 1)))
def test_sql_and_python_agree_on_days_and_local_times(zone: str, at: datetime) -> None:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    instant = at.replace(tzinfo=UTC)
    sql = business_date_sql("v", zone)
    row = con.execute(f"SELECT {sql} FROM (SELECT CAST(? AS TIMESTAMPTZ) AS v)", [instant])
    assert row.fetchone() == (business_date(instant, zone),)
    local = instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    sql = local_time_sql("v", zone)
    row = con.execute(f"SELECT {sql} FROM (SELECT CAST(? AS TIMESTAMP) AS v)", [local])
    found = row.fetchone()
    assert found is not None
    assert found[0].astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local
