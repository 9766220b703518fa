"""Landed records become deliveries: ordinary files of JSON lines, one line per offset.

Line n of ``topics/SOURCE/PARTITION/FIRST.jsonl.gz`` is offset FIRST + n - 1, and a gap is a blank
line, so that file and line name topic, partition and offset wherever a row is told of. What was
delivered is read from the manifest; a repetition after a crash makes the same files.
"""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec

from lake import erasing
from lake.engines.duckdb import Session, quoted
from lake.landed.table import LandedTable
from lake.landing import Delivery, Landing

FOLDER = "topics"
MOST_LINES = 200_000
MOST_BLANK = 1_000
"""A longer gap begins a new delivery."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FETCH = 10_000

Row = tuple[int, int, bytes]
"""Offset, time of receipt in microseconds, value."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Up to where a partition is delivered: the next offset, and its latest delivery time."""

    offset: int = 0
    latest: datetime = _EPOCH


@dataclass(frozen=True, slots=True)
class Carried:
    """A delivery on its way to the landing."""

    source: str
    path: str
    delivered_at: datetime
    content: bytes


@dataclass(slots=True)
class _Group:
    """Records of one partition and delivery time."""

    first: int
    at: int
    lines: list[bytes] = field(default_factory=list)


def path_of(source: str, partition: int, first: int) -> str:
    """Where the delivery that begins with the offset ``first`` lies; by name in order."""
    return f"{FOLDER}/{source}/{partition}/{first:020}.jsonl.gz"


def place_of(file: str) -> tuple[str, int, int] | None:
    """Source, partition and first offset of such a delivery; None of any other."""
    parts = file.split("/")
    if len(parts) != 4 or parts[0] != FOLDER or not parts[2].isdigit():
        return None
    first = parts[3].split(".")[0]
    return (parts[1], int(parts[2]), int(first)) if first.isdigit() else None


def place_of_line(file: str, line: int) -> str:
    """Topic, partition and offset of a line, for people; empty where it came in another file."""
    place = place_of(file)
    if place is None:
        return ""
    source, partition, first = place
    return f"topic events.{source}, partition {partition}, offset {first + line - 1}"


def reached(landing: Landing, deliveries: Iterable[Delivery]) -> dict[tuple[str, int], Reached]:
    """Up to where ``deliveries`` go, by source and partition; reads the last file of each."""
    last: dict[tuple[str, int], tuple[int, Delivery]] = {}
    for delivery in deliveries:
        place = place_of(delivery.file)
        if place is not None and place[2] >= last.get(place[:2], (-1,))[0]:
            last[place[:2]] = place[2], delivery
    found = {}
    for key, (first, delivery) in last.items():
        lines = erasing.text_of(landing.read(delivery)).count(b"\n")
        found[key] = Reached(first + lines, delivery.delivered_at)
    return found


def carried(
    session: Session, table: LandedTable, topic: str, source: str, partition: int, *,
    after: Reached, before: datetime, not_before: datetime, grain_s: int,
) -> Iterator[Carried]:
    """Deliveries of what was received before ``before`` and not delivered, in order of offset.

    Received counts the running latest time of the partition. A delivery's time is that, floored to
    ``grain_s``, and never before ``not_before``: what comes late belongs to what is still open.
    """
    rows = _rows(session, table, topic, partition, after.offset)
    for group in groups(rows, after.latest, before, not_before, grain_s):
        at = _EPOCH + timedelta(microseconds=group.at)
        content = gzip.compress(b"\n".join([*group.lines, b""]), 6, mtime=0)
        yield Carried(source, path_of(source, partition, group.first), at, content)


def groups(
    rows: Iterable[Row], latest: datetime, before: datetime, not_before: datetime, grain_s: int
) -> Iterator[_Group]:
    """Consecutive rows of one delivery; ends at the first that was received at ``before``."""
    running, stop, floor = _microseconds(latest), _microseconds(before), _microseconds(not_before)
    grain = grain_s * 1_000_000
    group: _Group | None = None
    for offset, at, value in rows:
        running = max(running, at)
        if running >= stop:
            break
        delivered = max(running // grain * grain, floor)
        blank = offset - group.first - len(group.lines) if group else 0
        if group is None or _is_full(group, delivered, blank):
            if group is not None:
                yield group
            group, blank = _Group(offset, delivered), 0
        group.lines += [b""] * blank
        group.lines.append(value)
    if group is not None:
        yield group


def line_of(value: bytes) -> bytes:
    """A record as one line that ingest judges as it would judge the record.

    Line ends between the tokens of JSON are as good as spaces; in anything else they become a sign
    that no JSON may hold, so that what was broken stays broken.
    """
    if b"\n" not in value:
        return value
    try:
        msgspec.json.decode(value)
    except (msgspec.DecodeError, RecursionError):
        return value.replace(b"\n", b"\x0b")
    return value.replace(b"\n", b" ")


def _is_full(group: _Group, delivered: int, blank: int) -> bool:
    is_long = len(group.lines) + blank >= MOST_LINES or blank > MOST_BLANK
    return delivered != group.at or is_long


def _rows(
    session: Session, table: LandedTable, topic: str, partition: int, start: int
) -> Iterator[Row]:
    files = [quoted(file.path) for file in table.files()]
    if not files:
        return
    result = session.con.execute(
        f'SELECT "offset", epoch_us(received_at), value, value_base64 '
        f"FROM read_parquet([{', '.join(files)}], hive_partitioning = false) "
        f"WHERE topic = {quoted(topic)} AND \"partition\" = {partition} AND \"offset\" >= {start} "
        f'ORDER BY "offset"'
    )
    while rows := result.fetchmany(_FETCH):
        for offset, at, text, other in rows:
            yield offset, at, line_of(_bytes(text, other))


def _bytes(text: str | None, other: str | None) -> bytes:
    if text is not None:
        return text.encode()
    return base64.b64decode(other) if other is not None else b""


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)
