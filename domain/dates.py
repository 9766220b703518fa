"""Business dates and cuts: the day an instant belongs to, the instant before which a run reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def business_date(at: datetime, zone: str) -> date:
    """The day of the aware instant ``at`` in ``zone``."""
    return at.astimezone(ZoneInfo(zone)).date()


def business_date_sql(at: str, zone: str) -> str:
    """``business_date`` as a SQL expression over a TIMESTAMPTZ expression."""
    return f"CAST(({at} AT TIME ZONE '{zone}') AS DATE)"


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
