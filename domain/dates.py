"""Business dates and cuts: the day an instant belongs to, the instant before which a run reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo


def business_date(at: datetime, zone: str) -> date:
    """The day of the aware instant ``at`` in ``zone``."""
    return at.astimezone(ZoneInfo(zone)).date()


def business_date_sql(at: str, zone: str) -> str:
    """``business_date`` as a SQL expression over a TIMESTAMPTZ expression."""
    by_calendar = f"CAST(({at} AT TIME ZONE '{zone}') AS DATE)"
    steady = _steady(zone)
    if steady is None:
        return by_calendar
    since, offset = steady
    by_offset = f"CAST(make_timestamp(epoch_us({at}) + {offset * 1_000_000}) AS DATE)"
    is_steady = f"epoch_us({at}) >= {int(since.timestamp()) * 1_000_000}"
    return f"CASE WHEN {is_steady} THEN {by_offset} ELSE {by_calendar} END"


def local_time_sql(local: str, zone: str) -> str:
    """The instant (TIMESTAMPTZ) at which clocks in ``zone`` read the TIMESTAMP ``local``."""
    by_calendar = f"({local} AT TIME ZONE '{zone}')"
    steady = _steady(zone)
    if steady is None:
        return by_calendar
    since, offset = steady
    by_offset = f"make_timestamptz(epoch_us({local}) - {offset * 1_000_000})"
    is_steady = f"epoch_us({local}) >= {int(since.timestamp() + 86_400) * 1_000_000}"
    return f"CASE WHEN {is_steady} THEN {by_offset} ELSE {by_calendar} END"


@cache
def _steady(zone: str) -> tuple[datetime, int] | None:
    """Since when ``zone`` has kept one offset, and that offset in seconds; None when it changes.

    The calendar of the database takes thirty times as long as an addition.
    """
    info = ZoneInfo(zone)
    months = [datetime(year, month, 1, tzinfo=UTC) for year in (*range(1970, 2038), 2099)
              for month in range(1, 13)]
    offsets = [month.astimezone(info).utcoffset() or timedelta() for month in months]
    last = offsets[-1]
    changed = [month for month, offset in zip(months, offsets, strict=True) if offset != last]
    since = max(changed, default=months[0]) + timedelta(days=32)
    return (since, int(last.total_seconds())) if since.year < 2017 else None


def day_start(day: date, zone: str) -> datetime:
    """The first instant of ``day`` in ``zone``, in UTC."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def cut(day: date, zone: str, cut_hours: int) -> datetime:
    """The instant before which the inputs of business date ``day`` must have been received, UTC."""
    return day_start(day + timedelta(days=1), zone) + timedelta(hours=cut_hours)


def days(start: date, end: date) -> Iterator[date]:
    """The dates from ``start`` up to, not including, ``end``."""
    while start < end:
        yield start
        start += timedelta(days=1)
