"""Small streams of events as an app sends them, for every engine alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import msgspec

from jobs import settings
from jobs.streaming.patterns import Patterns
from lake.topics import Fresh, Topics
from schemas.patterns import Beginning, Event, Pattern

START = 1_500_000_000_000
"""Milliseconds since 1970 of the first event."""
LATENESS_S = 10
KINDS = ("Product Viewed", "Product Added", "App Opened", "Order Completed", "Products Searched")
PATTERNS = (
    Pattern(
        name="cart_left", label="c", begins=Beginning(types=["product_added"]), after="30 s",
        cancelled=Event(types=["order_completed"]),
    ),
    Pattern(
        name="viewed", label="v",
        begins=Beginning(types=["product_viewed"], times=4, within="20 s"),
        cancelled=Event(types=["order_completed"]), after="15 s",
    ),
    Pattern(
        name="silent", label="s", after="25 s",
        begins=Beginning(types=["app_opened"], counts_from="last"),
    ),
)


@cache
def keyed() -> Patterns:
    """The patterns' step over the declared sources."""
    read = settings.read()
    return Patterns(read.sources, read.programme, b"a secret for tests only")


def lines(count: int, persons: int, seed: int = 1) -> list[tuple[int, bytes, bytes]]:
    """Received at (ms), key and line of so many events: late within bounds, in order of receipt."""
    random = Random(seed)
    found = []
    for number in range(count):
        at = START + number * 50 + random.randrange(50)
        late = random.choice((0, 0, 0, random.randrange(LATENESS_S * 1000)))
        who = f"device-{random.randrange(persons)}"
        kind = random.choices(KINDS, (50, 10, 20, 6, 20))[0]
        found.append((at + late, who.encode(), line(who, kind, at, f"m{number}")))
        if random.random() < 0.02:
            found.append((at + late, who.encode(), line(who, kind, at, f"m{number}")))
    return sorted(found, key=lambda one: one[0])


def line(who: str, kind: str, at_ms: int, message_id: str) -> bytes:
    """One line of ``app_events``; its clocks are right."""
    at = iso(at_ms)
    said = {
        "type": "track", "messageId": message_id, "anonymousId": who, "event": kind,
        "properties": {"price": 3.5}, "originalTimestamp": at, "sentAt": at, "receivedAt": at,
    }
    return msgspec.json.encode(said)


def iso(at_ms: int) -> str:
    """The instant as the app writes it."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def closing(at_ms: int, partitions: int = 4) -> list[tuple[int, bytes, bytes]]:
    """Lines that nothing asks for, in every partition: they say that time has come so far."""
    return [(at_ms, str(number).encode(), b"{}") for number in range(16 * partitions)]


def send(topics: Topics, name: str, records: Iterable[tuple[int, bytes, bytes]]) -> None:
    """Put records into a topic."""
    writer = topics.writer(name)
    for at, key, value in records:
        writer.send(Fresh(key, value, at))
    writer.close()


def said(topics: Topics, name: str) -> list[dict[str, Any]]:
    """What stands in a topic of matches, in one order."""
    found = [msgspec.json.decode(value) for value in values(topics, name)]
    return sorted(found, key=lambda one: sorted(map(str, one.items())))


def values(topics: Topics, name: str) -> Sequence[bytes]:
    """The values of a topic."""
    span = topics.span(name)
    reader = topics.reader(name, {number: first for number, (first, _) in span.items()})
    found: list[bytes] = []
    while any(reader.positions()[number] < end for number, (_, end) in span.items()):
        found += [record.value for record in reader.read(10_000, 0.2) if record.value is not None]
    reader.close()
    return found
