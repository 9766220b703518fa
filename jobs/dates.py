"""Reads the dates of a call."""

from __future__ import annotations

from datetime import UTC, date, datetime

from domain.dates import days
from lake.store import Lake
from schemas.errors import UsageError

LAST_YEAR = 9000
"""Later dates leave no room for their cut."""


def day(text: str, option: str) -> date:
    """``text`` as a business date, UsageError otherwise."""
    try:
        found = date.fromisoformat(text)
        if found.year > LAST_YEAR:
            raise ValueError
        return found
    except ValueError:
        raise UsageError(
            f"{option} is not a date",
            expected="a business date such as 2017-12-31",
            got=repr(text),
            where=option,
        ) from None


def as_of(text: str | None) -> date | int | None:
    """A release by business date or number."""
    if text is None or text.isdecimal():
        return None if text is None else int(text)
    return day(text, "--as-of")


def chosen(date_: str | None, start: str | None, end: str | None) -> list[date]:
    """The business dates of a call: ``--date``, or ``--start`` up to, not including, ``--end``."""
    if date_ and (start or end):
        raise UsageError(
            "--date stands alone", expected="--date, or --start with --end", got="both"
        )
    if date_:
        return [day(date_, "--date")]
    if not (start and end):
        raise UsageError(
            "no business date given", expected="--date, or --start with --end", got="neither"
        )
    found = list(days(day(start, "--start"), day(end, "--end")))
    if not found:
        raise UsageError(
            "no date lies between", expected="--start before --end", got=f"{start}, {end}"
        )
    return found


def instant(text: str | None) -> datetime:
    """``--delivered-at`` as an aware time; now when it is absent."""
    if text is None:
        return datetime.now(UTC).replace(microsecond=0)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = datetime.min
    if at.tzinfo is None:
        raise UsageError(
            "--delivered-at is not an instant",
            expected="such as 2017-12-31T02:30:00+08:00",
            got=repr(text),
            where="--delivered-at",
        )
    return at


def not_before_newest(lake: Lake, at: datetime) -> None:
    """UsageError when a delivery at ``at`` would belong before the cut of what is published."""
    known = lake.releases()
    if known and at < known[-1].cut:
        raise UsageError(
            "this delivery time is in the past of what is published",
            expected=f"a time from {known[-1].cut}, the cut of {known[-1].business_date}",
            got=str(at),
            where="--delivered-at",
            todo="leave it out: the files then count as delivered now",
        )
