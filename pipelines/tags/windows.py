"""Which business dates a window holds on a date."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from schemas.windows import Unit, Window

AnyWindow = Window | Literal["ever"]


@dataclass(frozen=True, slots=True)
class Span:
    """Business dates from ``first`` (None: from the beginning) to ``last``, both inside.

    Empty when ``last`` is before ``first``.
    """

    first: date | None
    last: date

    def holds(self, day: date) -> bool:
        """Whether ``day`` is inside."""
        return (self.first is None or self.first <= day) and day <= self.last

    def sql(self, column: str = "business_date") -> str:
        """The same as a condition on a column of dates."""
        until = f"{column} <= {literal(self.last)}"
        return until if self.first is None else f"{column} >= {literal(self.first)} AND {until}"


def span(window: AnyWindow, day: date) -> Span:
    """The dates of ``window`` for a tag of ``day``; none is after ``day``."""
    if window == "ever":
        return Span(None, day)
    if window.days is not None:
        return Span(day - timedelta(days=window.days - 1), day)
    if window.this is not None:
        return Span(beginning(day, window.this), day)
    if window.previous is not None:
        last = beginning(day, window.previous) - timedelta(days=1)
        return Span(beginning(last, window.previous), last)
    assert window.between is not None
    first, last = window.between
    return Span(first, min(last, day))


def beginning(day: date, unit: Unit) -> date:
    """First day of the calendar unit that ``day`` is in; weeks begin on Monday (ISO 8601)."""
    if unit == "day":
        return day
    if unit == "week":
        return day - timedelta(days=day.weekday())
    if unit == "year":
        return date(day.year, 1, 1)
    month = day.month if unit == "month" else 3 * ((day.month - 1) // 3) + 1
    return date(day.year, month, 1)


def word(window: AnyWindow) -> str:
    """The window in a column's name: ``ever``, ``30d``, ``this_month``, ``20170101_20170331``."""
    if window == "ever":
        return "ever"
    if window.days is not None:
        return f"{window.days}d"
    if window.between is not None:
        return "_".join(day.strftime("%Y%m%d") for day in window.between)
    return f"this_{window.this}" if window.this is not None else f"previous_{window.previous}"


def literal(day: date) -> str:
    """A date as a SQL literal that every engine reads."""
    return f"CAST('{day.isoformat()}' AS DATE)"
