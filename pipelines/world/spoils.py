"""Malformed lines: what a bad line looks like, by format and reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

JSON_REASONS = ("broken_json", "missing_field", "bad_time", "bad_encoding")
CSV_REASONS = ("wrong_field_count", "bad_time", "bad_number", "bad_encoding")
# 0xFF begins no character, in UTF-8 or in GBK.
NO_CHARACTER = b"\xff\xfe"


@dataclass(frozen=True, slots=True)
class Spoiled:
    """A line (1-based, the header counts) that no reader can take, and why."""

    source: str
    path: str
    line: int
    reason: str
    trap: str = "malformed"


@dataclass(frozen=True, slots=True)
class Form:
    """Where a source's lines can be hurt: JSON keys, or CSV column positions."""

    required: str = ""
    time: str | int = ""
    number: int | None = None


FORMS: dict[str, Form] = {
    "erp_orders": Form(time=2, number=6),
    "erp_orders_gbk": Form(time=2, number=6),
    "coupon_redemptions": Form(time=4),
    "campaign_sends": Form(time=4),
    "app_events": Form(required="type", time="receivedAt"),
    "service_chats": Form(required="msgid", time="msgtime"),
    "consents": Form(required="purpose", time="at"),
}


def draw_reason(source: str, random: Random) -> str:
    """Return one of the reasons a source's lines can have."""
    form = FORMS[source]
    if isinstance(form.time, str):
        return random.choice(JSON_REASONS)
    reasons = [one for one in CSV_REASONS if one != "bad_number" or form.number is not None]
    return random.choice(reasons)


def spoil(source: str, line: bytes, reason: str) -> bytes:
    """Return a line without its end, hurt for the given reason."""
    form = FORMS[source]
    if isinstance(form.time, str):
        return _spoil_json(line, reason, form.required, form.time)
    return _spoil_csv(line, reason, form.time, form.number)


def _spoil_json(line: bytes, reason: str, required: str, time: str) -> bytes:
    if reason == "broken_json":
        return line[: len(line) * 2 // 3]
    if reason == "missing_field":
        return re.sub(rb'"%s":"[^"]*",' % required.encode(), b"", line, count=1)
    if reason == "bad_time":
        pattern = rb'"%s":("[^"]*"|\d+)' % time.encode()
        return re.sub(pattern, rb'"%s":"2017-13-45 25:61"' % time.encode(), line, count=1)
    middle = line.index(b'":"') + 3
    return line[:middle] + NO_CHARACTER + line[middle:]


def _spoil_csv(line: bytes, reason: str, time: int, number: int | None) -> bytes:
    fields = line.split(b",")
    if reason == "wrong_field_count":
        return b",".join(fields[:-2])
    if reason == "bad_encoding":
        fields[1] = NO_CHARACTER + fields[1]
    elif reason == "bad_time":
        fields[time] = b"2017-13-45"
    elif number is not None:
        fields[number] = b"12.5O"
    return b",".join(fields)
