"""A line of a JSON-lines source as one event of its bundle, as ingest would have it.

A line that ingest would put into quarantine is none. ``bundle_id`` is the lake's own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from domain import arriving
from domain.dates import business_date, day_start
from domain.identifiers import identifier_key, mobiles_in, normalise
from pipelines.tags.streaming.rows import Event
from schemas.programme import Programme
from schemas.sources import Column, Each, Identifier, Source

Read = Callable[[bytes, int], Event | None]
"""A line and when it was received (microseconds since 1970); None where it is no event."""
Line = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_MINUTE = 60_000_000
_REMEMBERED = 1 << 18
_NUMBERS = {
    "integer": re.compile(r"[+-]?\d{1,9}", re.ASCII),
    "decimal": re.compile(r"[+-]?\d{1,12}(\.\d{1,6})?", re.ASCII),
    "money": re.compile(
        r"[+-]?\d{1,12}(\.\d{1,6})?|[¥￥$€£]? ?[+-]?\d{1,3}(,\d{3}){0,3}(\.\d{1,6})?", re.ASCII
    ),
}
_TIMES = ("date", "local_time", "iso_time", "epoch_ms")


def reader(
    source: Source, programme: Programme, secret: bytes, types: Collection[str] | None,
    fields: Collection[str],
) -> Read | None:
    """Reads events of ``types`` (None: of all) with the properties ``fields``.

    None when the source can give none. UsageError when it is no source of JSON lines.
    """
    kinds = frozenset(one.name for one in source.event_types if types is None or one.name in types)
    if arriving.reader(source, programme, secret, kinds, frozenset()) is None:
        return None
    kind_of = _kind(source)
    occurred = arriving.occurrence(source, programme.zone)
    is_right = _judge(source, programme.zone)
    event_id, bundle = arriving.event_id(source), _bundle(source, programme.region, secret)
    asked = [(name, _property(source, name)) for name in source.properties if name in fields]
    earliest = (day_start(source.earliest_on, "UTC") - EPOCH) // _US
    ahead, name = source.ahead_hours * 60 * _MINUTE, source.name
    zone, decode = programme.zone, msgspec.json.Decoder(Line).decode

    def read(value: bytes, received_at: int) -> Event | None:
        try:
            line = decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        kind = kind_of(line)
        if kind not in kinds or not is_right(line):
            return None
        moment, key = occurred(line), bundle(line)
        if moment is None or key is None:
            return None
        at = (moment - EPOCH) // _US
        if not earliest <= at <= received_at + ahead:
            return None
        said = {name: text for name, get in asked if (text := get(line)) is not None}
        return Event(
            key, at, event_id(line, value), name, day_of(zone, at), day_of(zone, received_at), kind,
            said,
        )

    return read


def day_of(zone: str, at: int) -> int:
    """The business date (an ordinal) of an instant in microseconds."""
    return _day_of_minute(zone, at // _MINUTE)


@lru_cache(maxsize=1 << 14)
def _day_of_minute(zone: str, minute: int) -> int:
    return business_date(EPOCH + timedelta(minutes=minute), zone).toordinal()


@lru_cache(maxsize=1 << 10)
def begin_of(zone: str, day: int) -> int:
    """The first instant of a business date, in microseconds."""
    return (day_start(date.fromordinal(day), zone) - EPOCH) // _US


def _kind(source: Source) -> Callable[[Line], str | None]:
    """The type of a line's event; worked out once for the texts that it depends on."""
    tests = [(one.name, arriving.condition(source, one.when)) for one in source.event_types]
    return _once(source, {name for one in source.event_types for name in one.when}, lambda line: (
        next((name for name, holds in tests if holds(line)), None)
    ))


def _once(
    source: Source, columns: Iterable[str], found: Callable[[Line], str | None]
) -> Callable[[Line], str | None]:
    """``found``, that depends on ``columns`` alone, remembered for their texts."""
    texts = [_came(source, name) for name in sorted(set(columns))]
    known: dict[tuple[str | None, ...], str | None] = {}

    def remembered(line: Line) -> str | None:
        said = tuple([text(line) for text in texts])
        if said in known:
            return known[said]
        if len(known) > _REMEMBERED:
            known.clear()
        known[said] = value = found(line)
        return value

    return remembered


def _judge(source: Source, zone: str) -> Callable[[Line], bool]:
    """Whether every column of a line is there and can be read, where the source asks for it.

    The times by which it happened are left to those who read them.
    """
    times = {source.occurred, *([source.clock.received] if source.clock else [])}
    required = [
        arriving.text(source, name) for name, column in source.columns.items()
        if name not in times and column.required
    ]
    tests = [
        (_came(source, name), _means(source, name, column, zone))
        for name, column in source.columns.items() if name not in times
        and not column.lenient and column.others != "drop" and _may_be_wrong(column)
    ]

    def is_right(line: Line) -> bool:
        for get in required:
            if get(line) is None:
                return False
        return all(came(line) is None or means(line) for came, means in tests)

    return is_right


def _may_be_wrong(column: Column) -> bool:
    return column.type not in ("text", "json") or bool(column.values and column.others != "keep")


def _came(source: Source, name: str) -> Callable[[Line], str | None]:
    """The column as it came, whatever it means."""
    column = msgspec.structs.replace(source.columns[name], values={})
    bare = msgspec.structs.replace(source, columns={**source.columns, name: column})
    general, field = arriving.text(bare, name), source.field(name)
    if set(field) & set(".["):
        return general

    def found(line: Line) -> str | None:
        came = line.get(field)
        return came or None if came.__class__ is str else general(line)

    return found


def _means(source: Source, name: str, column: Column, zone: str) -> Callable[[Line], bool]:
    text = _came(source, name)
    if column.values:
        return lambda line: text(line) in column.values
    if column.type in _TIMES:
        instant = arriving.instant(source, name, source.zone or zone)
        return lambda line: instant(line) is not None
    form = _NUMBERS[column.type]
    return lambda line: form.fullmatch(text(line) or "") is not None


def _property(source: Source, name: str) -> Callable[[Line], str | None]:
    text = arriving.text(source, name)
    if source.columns[name].type != "date":
        return text
    instant = arriving.instant(source, name, "UTC")
    return lambda line: None if (day := instant(line)) is None else day.date().isoformat()


def _place(
    source: Source, one: Identifier, region: str
) -> Callable[[Line], Sequence[tuple[str, str, str]]]:
    """The identifiers at one declared place, as they came: type, value and path."""
    text, holds = arriving.text(source, one.column), arriving.condition(source, one.when)
    kind, path, each = one.type or "", one.path or source.field(one.column), one.each

    def found(line: Line) -> Sequence[tuple[str, str, str]]:
        came = text(line)
        if came is None or (one.when and not holds(line)):
            return ()
        if each is not None:
            return list(_listed(came, each, path))
        if one.find:
            return [(kind, value, path) for value in mobiles_in(came, region)]
        return ((kind, came, path),)

    return found


def _listed(came: str, each: Each, path: str) -> Iterator[tuple[str, str, str]]:
    try:
        items = msgspec.json.decode(came)
    except msgspec.DecodeError:
        return
    for number, item in enumerate(items if isinstance(items, list) else []):
        known = each.types.get(str(item.get(each.type))) if isinstance(item, dict) else None
        if known is not None and item.get(each.value) is not None:
            yield known, str(item[each.value]), f"{path}[{number}].{each.value}"


def _bundle(source: Source, region: str, secret: bytes) -> Callable[[Line], str | None]:
    """The id of the set of identifiers on a line, each at its first place by name."""
    places = [_place(source, one, region) for one in source.identifiers]

    @lru_cache(maxsize=1 << 18)
    def keyed(kind: str, value: str) -> int | None:
        clean = normalise(kind, value, region)
        return None if clean is None else identifier_key(kind, clean, secret)

    def found(line: Line) -> str | None:
        members: dict[int, str] = {}
        for place in places:
            for kind, value, path in place(line):
                key = keyed(kind, value)
                if key is not None and path < members.get(key, "\U0010ffff"):
                    members[key] = path
        if not members:
            return None
        listed = ",".join(f"{key}@{path}" for key, path in sorted(members.items()))
        return str(int(hashlib.sha256(listed.encode()).hexdigest()[:16], 16) >> 1)

    columns = {name for one in source.identifiers for name in (one.column, *one.when)}
    return _once(source, columns, found)
