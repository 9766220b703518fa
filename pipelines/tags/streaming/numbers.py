"""Values as DuckDB gives them: a decimal as DOUBLE, a DOUBLE as text, a text as a date."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from pipelines.tags.streaming.rows import MILLION
from schemas.tag_definitions import Type

_EXACT = 2**53
_DATE = re.compile(r"\s*(\d{1,9})([-/ \\])(\d{1,2})\2(\d{1,2})(?!\d)(?!\s*\([bB][cC]\))", re.ASCII)
_EPOCH = date(1970, 1, 1).toordinal()


def double(millionths: int) -> float:
    """A DECIMAL with six places as DOUBLE, rounded as DuckDB rounds it."""
    if -_EXACT <= millionths <= _EXACT:
        return millionths / MILLION
    sign = -1 if millionths < 0 else 1
    whole, rest = divmod(abs(millionths), MILLION)
    return float(sign * whole) + float(sign * rest) / MILLION


def day_in(text: str) -> int | None:
    """The ordinal of a text that DuckDB casts to a date of our era."""
    found = _DATE.match(text)
    if found is None:
        return _EPOCH if text.strip().lower() == "epoch" else None
    try:
        return date(int(found[1]), int(found[3]), int(found[4])).toordinal()
    except ValueError:
        return None


def written(value: Any, kind: Type) -> str:
    """A tag's value as text."""
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "date":
        return date.fromordinal(value).isoformat()
    return repr(value) if kind == "number" else str(value)
