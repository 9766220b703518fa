"""A raw file as a source delivers it, and the clock of the sample world's year."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

# The programme zone is Asia/Shanghai, which knew no daylight saving in 2017.
ZONE_SECONDS = 8 * 3600
DAY_SECONDS = 86_400
FIRST_DAY = date(2017, 1, 1)
LAST_DAY = date(2017, 12, 31)
YEAR_START = int(datetime(2017, 1, 1, tzinfo=UTC).timestamp()) - ZONE_SECONDS
YEAR_END = int(datetime(2018, 1, 1, tzinfo=UTC).timestamp()) - ZONE_SECONDS


@dataclass(frozen=True, slots=True)
class RawFile:
    """One delivered file; `delivered_at` is aware, in UTC: when it reached the landing."""

    source: str
    path: str
    delivered_at: datetime
    content: bytes


@dataclass(frozen=True, slots=True)
class Counted:
    """How many data lines a file holds, without its header."""

    source: str
    path: str
    count_rows: int


def utc(seconds: float) -> datetime:
    """Return the aware UTC time of epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def local_midnight(day: date) -> int:
    """Return the epoch seconds at which a business date begins in the programme zone."""
    return YEAR_START + (day - FIRST_DAY).days * DAY_SECONDS


def business_date(seconds: int) -> date:
    """Return the programme zone's date of epoch seconds."""
    return FIRST_DAY + timedelta(days=(seconds - YEAR_START) // DAY_SECONDS)


def next_day_at(day: date, hour: int, minute: int = 0) -> datetime:
    """Return the UTC time of a wall clock reading on the day after a business date."""
    return utc(local_midnight(day) + DAY_SECONDS + hour * 3600 + minute * 60)


def iso_ms(milliseconds: int) -> str:
    """Return epoch milliseconds as ISO 8601 UTC with milliseconds and Z."""
    text = datetime.fromtimestamp(milliseconds // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{milliseconds % 1000:03d}Z"


def local_text(seconds: int) -> str:
    """Return epoch seconds as a wall clock reading of the programme zone, without zone."""
    moment = datetime.fromtimestamp(seconds + ZONE_SECONDS, UTC)
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def local_texts(seconds: np.ndarray) -> np.ndarray:
    """Return wall clock readings of many epoch seconds, as numpy text."""
    stamps = (seconds + ZONE_SECONDS).astype("datetime64[s]")
    return np.char.replace(np.datetime_as_string(stamps), "T", " ")


def pack(content: bytes, level: int = 4) -> bytes:
    """Return gzip bytes that depend on the content alone."""
    return gzip.compress(content, compresslevel=level, mtime=0)
