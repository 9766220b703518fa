"""The window of a measure: which business dates count, in the programme's zone."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

import msgspec

from schemas.errors import FieldError

Unit = Literal["day", "week", "month", "quarter", "year"]
_DAYS = re.compile(r"([1-9][0-9]{0,3}) d")


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One of: ``{last: 30 d}``, ``{this: month}``, ``{previous: month}``, ``{between: [..]}``.

    A window holds whole business dates and ends with the date of the tag at the latest. ``last:
    N d`` are the N dates that end with it: 30 days before its last instant, to the instant, is
    inside, however many hours a date has. A week begins on Monday.
    """

    last: Annotated[str | None, msgspec.Meta(examples=["30 d"])] = None
    """So many business dates, e.g. ``30 d``."""
    this: Unit | None = None
    """The calendar unit that the date is in, up to the date."""
    previous: Unit | None = None
    """The whole calendar unit before."""
    between: tuple[date, date] | None = None
    """From a date to a date, both inside."""

    def __post_init__(self) -> None:
        given = [name for name in self.__struct_fields__ if getattr(self, name) is not None]
        if len(given) != 1:
            raise FieldError(
                f"a window says one thing, this one {len(given)}",
                field=given[1] if given else "last",
                expected="ever, or one of last, this, previous, between",
                todo="write e.g. `window: {last: 30 d}`",
            )
        if self.last is not None and not _DAYS.fullmatch(self.last):
            raise FieldError(
                "this is no number of days",
                field="last",
                expected="1 d to 9999 d",
                todo="write e.g. `{last: 30 d}`",
            )
        if self.between is not None and self.between[0] > self.between[1]:
            raise FieldError(
                "the window ends before it begins",
                field="between",
                expected="[first date, last date]",
                todo="turn the two round",
            )

    @property
    def days(self) -> int | None:
        """Length of ``last`` in business dates."""
        return int(self.last.split()[0]) if self.last is not None else None
