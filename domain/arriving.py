"""A line of a JSON-lines source as one event of one key, by the source's declaration alone.

What ingest does to whole deliveries in a query is done here to one line, for what acts at once.
Only what is asked for is read: a line that ingest would refuse for another column is still told.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from domain.clocks import correct
from domain.dates import day_start
from domain.identifiers import identifier_key, mobiles_in, normalise
from schemas.errors import UsageError
from schemas.programme import Programme
from schemas.sources import Identifier, Key, Source, When

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_ISO = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)", re.ASCII
)
_LOCAL = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_STEP = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)")
_NUMBERS = re.compile(r"\d{1,14}", re.ASCII)

Line = dict[str, Any]
Text = Callable[[Line], str | None]
Instant = Callable[[Line], datetime | None]


class Happened(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event: whose, what, when (microseconds since 1970), which, and what was asked of it."""

    key: str
    """The key of its first identifier, as text."""
    type: str
    at: int
    id: str
    properties: dict[str, str]


Read = Callable[[bytes, int], Happened | None]
"""A line and when it was received (microseconds) as an event; None when it is not asked for."""


def reader(
    source: Source, programme: Programme, secret: bytes,
    types: frozenset[str], fields: frozenset[str],
) -> Read | None:
    """Reads events of ``types`` with the properties ``fields``; None when there cannot be any."""
    if source.format != "jsonl":
        raise UsageError(
            f"the source {source.name} does not come over topics", expected="format: jsonl",
            got=source.format, todo="deliver its files with `guiyi land`",
        )
    asked = [one for one in source.event_types if one.name in types]
    if not asked or not source.identifiers:
        return None
    told = _asked(source, programme, secret, types, fields)
    if any(not _words(source, one.when) for one in asked):
        return told
    words = [_words(source, one.when) for one in asked]

    def read(value: bytes, received_at: int) -> Happened | None:
        # Without escapes a text stands in the line as it is: most lines end here, unparsed.
        if b"\\" not in value and not any(all(w in value for w in every) for every in words):
            return None
        return told(value, received_at)

    return read


def _asked(
    source: Source, programme: Programme, secret: bytes,
    types: frozenset[str], fields: frozenset[str],
) -> Read:
    kinds = [(one.name, condition(source, one.when)) for one in source.event_types]
    occurred = occurrence(source, programme.zone)
    required = [text(source, name) for name, column in source.columns.items() if column.required]
    named = [(name, text(source, name)) for name in source.properties if name in fields]
    told_id = event_id(source)
    key = _key(source, programme.region, secret)
    ahead = source.ahead_hours * 3_600_000_000
    earliest = (day_start(source.earliest_on, "UTC") - EPOCH) // _US
    decode = msgspec.json.Decoder(Line).decode

    def read(value: bytes, received_at: int) -> Happened | None:
        try:
            line = decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        kind = next((name for name, holds in kinds if holds(line)), None)
        if kind not in types or any(column(line) is None for column in required):
            return None
        moment, whose = occurred(line), key(line)
        if moment is None or whose is None or kind is None:
            return None
        at = (moment - EPOCH) // _US
        if not earliest <= at <= received_at + ahead:
            return None
        properties = {name: said for name, column in named if (said := column(line)) is not None}
        return Happened(whose, kind, at, told_id(line, value), properties)

    return read


def text(source: Source, column: str) -> Text:
    """The text of ``column`` in a line, in the meaning that the declaration gives it."""
    steps = [
        step for name, indexes in _STEP.findall(source.field(column))
        for step in (name, *(int(i) for i in re.findall(r"\d+", indexes)))
    ]
    declared = source.columns[column]
    keeps = declared.others == "keep"
    meanings = declared.values if declared.type == "text" else {}

    def found(line: Line) -> str | None:
        place: Any = line
        for step in steps:
            try:
                place = place[step]
            except (KeyError, IndexError, TypeError):
                return None
        came = place if isinstance(place, str) else _written(place)
        if meanings and came is not None:
            came = meanings.get(came, came if keeps else None)
        return came or None

    return found


def condition(source: Source, when: When) -> Callable[[Line], bool]:
    """Whether all of ``when`` holds of a line."""
    tests = [(text(source, column), pattern.split("|")) for column, pattern in when.items()]
    if len(tests) == 1 and len(tests[0][1]) == 1 and "*" not in tests[0][1][0]:
        column, (wanted,) = tests[0]
        return lambda line: column(line) == wanted

    def holds(line: Line) -> bool:
        return all(
            any(_matches(came, one) for one in patterns)
            for came, patterns in ((column(line), patterns) for column, patterns in tests)
        )

    return holds


def _matches(came: str | None, pattern: str) -> bool:
    if came is None:
        return False
    return came.startswith(pattern[:-1]) if pattern.endswith("*") else came == pattern


def _written(value: Any) -> str | None:
    if value is None:
        return None
    return msgspec.json.encode(value).decode()


def _words(source: Source, when: When) -> list[bytes]:
    """Texts, with their quotes, that stand in every line for which ``when`` holds."""
    return [
        msgspec.json.encode(pattern) for column, pattern in when.items()
        if not set(pattern) & set("*|\\") and pattern.isascii()
        and source.columns[column].type == "text" and not source.columns[column].values
        and not re.fullmatch(r"[-\d.eE+]*|true|false|[\[{].*", pattern)
    ]


def event_id(source: Source) -> Callable[[Line, bytes], str]:
    """The id of an event within its source, from its line and the line as it came."""
    if not isinstance(source.dedupe, Key):
        return lambda _, value: hashlib.sha256(value.rstrip(b"\r\n")).hexdigest()[:32]
    parts = [text(source, name) for name in source.dedupe.key]
    if len(parts) == 1:
        return lambda line, _: parts[0](line) or ""

    def joined(line: Line, _: bytes) -> str:
        came = [part(line) or "" for part in parts]
        return ":".join(one.replace("\\", "\\\\").replace(":", "\\:") for one in came)

    return joined


def occurrence(source: Source, zone: str) -> Instant:
    """When a line's event happened, its sender's clock set right."""
    occurred = instant(source, source.occurred, zone)
    clock = source.clock
    if clock is None:
        return occurred
    sent, received = instant(source, clock.sent, zone), instant(source, clock.received, zone)

    def corrected(line: Line) -> datetime | None:
        original, receipt = occurred(line), received(line)
        if original is None or receipt is None:
            return None
        return correct(original, sent(line), receipt, clock).at

    return corrected


def instant(source: Source, column: str, zone: str) -> Instant:
    """The time that stands in ``column`` of a line; None where it cannot be read."""
    kind, came, where = source.columns[column].type, text(source, column), source.zone or zone
    pattern = source.columns[column].format
    if kind == "iso_time":
        is_iso = _ISO.fullmatch
        read: Callable[[str], datetime | None] = lambda said: (  # noqa: E731
            datetime.fromisoformat(said) if is_iso(said) else None
        )
    elif kind == "epoch_ms":
        read = lambda said: (  # noqa: E731
            EPOCH + timedelta(milliseconds=int(said)) if _NUMBERS.fullmatch(said) else None
        )
    else:
        read = lambda said: _local(said, kind, pattern, where)  # noqa: E731

    def found(line: Line) -> datetime | None:
        said = came(line)
        try:
            return None if said is None else read(said)
        except (ValueError, OverflowError):
            return None

    return found


def _local(said: str, kind: str, pattern: str, zone: str) -> datetime | None:
    if pattern:
        moment = datetime.strptime(said, pattern)
    elif (_DAY if kind == "date" else _LOCAL).fullmatch(said):
        moment = datetime.fromisoformat(said)
    else:
        return None
    if kind == "date":
        return day_start(date(moment.year, moment.month, moment.day), zone)
    return moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def _key(source: Source, region: str, secret: bytes) -> Callable[[Line], str | None]:
    """The key of the first identifier in the order of the declaration."""
    places = [_place(source, one, region) for one in source.identifiers]

    @lru_cache(maxsize=1 << 18)
    def keyed(kind: str, value: str) -> str | None:
        clean = normalise(kind, value, region)
        return None if clean is None else str(identifier_key(kind, clean, secret))

    def found(line: Line) -> str | None:
        for place in places:
            for kind, value in place(line):
                key = keyed(kind, value)
                if key is not None:
                    return key
        return None

    return found


def _place(
    source: Source, one: Identifier, region: str
) -> Callable[[Line], Sequence[tuple[str, str]]]:
    """The identifiers at one declared place of a line, as they came: type and value."""
    came, holds = text(source, one.column), condition(source, one.when)
    kind = one.type or ""

    def found(line: Line) -> Sequence[tuple[str, str]]:
        said = came(line)
        if said is None or (one.when and not holds(line)):
            return ()
        if one.each is not None:
            return list(_listed(said, one.each.value, one.each.type, one.each.types))
        if one.find:
            return [(kind, value) for value in mobiles_in(said, region)]
        return ((kind, said),)

    return found


def _listed(
    said: str, value: str, kind: str, kinds: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    try:
        items = msgspec.json.decode(said)
    except msgspec.DecodeError:
        return
    for item in items if isinstance(items, list) else []:
        known = kinds.get(str(item.get(kind))) if isinstance(item, dict) else None
        if known is not None and item.get(value) is not None:
            yield known, str(item[value])
