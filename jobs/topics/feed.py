"""Sends delivered JSON lines into topics, as a collector would have; other files are delivered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from domain.record_keys import key_of
from jobs.settings import Settings
from jobs.topics.place import chosen
from lake import erasing
from lake.landing import Incoming, Landing
from lake.topics import Fresh, Topics, Writer
from lake.topics.record import Headers
from schemas.sources import Source
from schemas.topics import VERSION

_DAY_S = 86_400
FILES_AT_ONCE = 500
"""Each entry in the manifest of a landing costs a sync of the disk."""


@dataclass(slots=True)
class Fed:
    """Records by topic, and files that went to the landing."""

    records: dict[str, int] = field(default_factory=dict)
    files: int = 0


@dataclass(frozen=True, slots=True)
class Delivered:
    """A file of another landing."""

    source: str
    path: str
    delivered_at: datetime
    content: bytes


def create(topics: Topics, settings: Settings, names: list[str] | None = None) -> list[str]:
    """Make the declared topics that are not there; their names."""
    made = []
    for one in chosen(settings, names or []):
        keep_for_s = None if one.keep_for_days is None else one.keep_for_days * _DAY_S
        if topics.create(one.name, one.partitions, keep_for_s):
            made.append(one.name)
    return made


def files_of(landing: Landing, after: datetime | None = None, before: datetime | None = None
             ) -> Iterator[Delivered]:
    """Files of a landing in order of delivery, from ``after`` on and before ``before``."""
    for one in landing.deliveries(before):
        if after is None or one.delivered_at >= after:
            yield Delivered(one.source, one.file, one.delivered_at, landing.read(one))


def feed(
    files: Iterable[Incoming], topics: Topics, settings: Settings, landing: Landing | None,
    noted: Callable[[Fed], None] = lambda _: None,
) -> Fed:
    """Send every line of sources that have a topic; the other files go to ``landing``, if any.

    A record's time is that of its file's delivery. Feeding again sends again: ingest tells events
    apart by their ids.
    """
    create(topics, settings)
    sources = {source.name: source for source in settings.sources}
    fed = Fed()
    streams: dict[str, _Stream] = {}
    waiting: list[Incoming] = []
    for file in files:
        topic = settings.topics.of(file.source)
        if topic is None:
            waiting.append(file)
            if len(waiting) >= FILES_AT_ONCE:
                fed.files += _received(landing, waiting)
                waiting = []
            continue
        if topic.name not in streams:
            source = sources[file.source]
            streams[topic.name] = _Stream(
                topics.writer(topic.name), key_of(source, topic.key), headers_of(source)
            )
        count = streams[topic.name].send(file)
        fed.records[topic.name] = fed.records.get(topic.name, 0) + count
        noted(fed)
    fed.files += _received(landing, waiting)
    for stream in streams.values():
        stream.writer.close()
    return fed


def _received(landing: Landing | None, files: list[Incoming]) -> int:
    return len(landing.receive(files)) if landing is not None and files else 0


def headers_of(source: Source) -> Headers:
    """What travels with each record: source, fingerprint of its declaration, version."""
    schema = hashlib.sha256(msgspec.json.encode(source, order="sorted")).hexdigest()[:16]
    return (
        ("source", source.name.encode()), ("schema", schema.encode()), ("version", VERSION)
    )


@dataclass(slots=True)
class _Stream:
    writer: Writer
    key: Callable[[bytes], bytes]
    headers: Headers

    def send(self, file: Incoming) -> int:
        at = round(file.delivered_at.timestamp() * 1000)
        count = 0
        for line in erasing.text_of(file.content).split(b"\n"):
            if line.strip():
                self.writer.send(Fresh(self.key(line), line, at, self.headers))
                count += 1
        return count
