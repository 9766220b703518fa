"""How a pattern with absence is declared: ``conf/*/patterns/NAME.yml``.

Something began, and for a time what should have followed did not: a cart without an order, views
without a purchase, a log-in and then silence.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

import msgspec

from schemas.errors import FieldError
from schemas.measured import Name
from schemas.rules import Rule

_TIME = re.compile(r"([1-9][0-9]{0,3}) ([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Event(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Events of one of ``types`` for which ``where`` is true."""

    types: Annotated[list[str], msgspec.Meta(min_length=1)]
    where: Rule | None = None
    """Fields are properties that the source declares; a number reads the property as one."""


class Beginning(Event, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What begins it: the event, or the last of so many ``times`` of it ``within`` a time."""

    times: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    within: Annotated[str | None, msgspec.Meta(examples=["7 d"])] = None
    """From the first to the last of them at most, as ``30 m``, ``24 h`` or ``7 d`` of 24 hours."""
    counts_from: Literal["first", "last"] = "first"
    """Whether what happens again while the time runs starts it anew (``last``) or not."""

    def __post_init__(self) -> None:
        if (self.times > 1) != (self.within is not None):
            raise FieldError(
                "several times need a time within which they are, and one time has none",
                field="within", expected="`times` of 2 or more with `within`, or neither",
                todo="write e.g. `times: 4` and `within: 7 d`",
            )
        _require_time(self.within, "within")


class Pattern(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """It began, and was not ``cancelled`` for the time ``after``: then it is a match, once.

    A cancelling event counts from the instant of the beginning to the instant at which the time
    ends, both inside; it also takes back what was counted towards a beginning. After a match the
    next beginning begins anew.
    """

    name: Name
    label: str
    """What people read, in the brand's language."""
    begins: Beginning
    cancelled: Event | None = None
    after: Annotated[str, msgspec.Meta(examples=["24 h"])]
    per: Name | None = None
    """A property whose values are watched apart, e.g. each cart for itself: an event that lacks it
    begins nothing, and cancels for all of them."""

    def __post_init__(self) -> None:
        _require_time(self.after, "after")


def seconds(time: str) -> int:
    """The length of a time such as ``24 h``."""
    count, unit = time.split()
    return int(count) * _SECONDS[unit]


def _require_time(time: str | None, field: str) -> None:
    if time is not None and not _TIME.fullmatch(time):
        raise FieldError(
            "this is no time", field=field, expected="1 s to 9999 d",
            todo=f"write e.g. `{field}: 24 h`, `{field}: 7 d`",
        )
