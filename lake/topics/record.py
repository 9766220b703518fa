"""What a topic holds, and what can be done with one."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

Headers = tuple[tuple[str, bytes], ...]


class Fresh(NamedTuple):
    """A record on its way into a topic."""

    key: bytes
    """Records of one key keep their order: they go to one partition."""
    value: bytes | None
    at: int
    """Time of the record in milliseconds since 1970."""
    headers: Headers = ()
    """``source``, ``schema`` and ``version`` travel with each record of events."""


class Record(NamedTuple):
    """A record as read; ``offset`` grows within its partition, perhaps with gaps."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    at: int
    headers: Headers


class Writer(Protocol):
    """Sends records; what was flushed without an error is kept, whatever dies next."""

    def send(self, record: Fresh) -> None:
        """Take one record; waits within bounds when too many are on their way.

        UnreachableError when the topic could not take it in time.
        """

    def flush(self) -> None:
        """Return when every record sent is durable; UnreachableError when that cannot be."""

    def close(self) -> None:
        """Flush and let go."""


class Reader(Protocol):
    """Reads assigned partitions from chosen offsets."""

    def read(self, most: int, wait_s: float) -> Sequence[Record]:
        """Up to ``most`` records, as soon as there are any or ``wait_s`` have passed."""

    def positions(self) -> Mapping[int, int]:
        """The next offset of each partition: past markers and gaps too."""

    def close(self) -> None:
        """Let go; nothing is remembered of where it stood."""


class Topics(Protocol):
    """The topics at one address."""

    def create(self, name: str, partitions: int, keep_for_s: int | None = None) -> bool:
        """Make the topic; False when it is there already. ``keep_for_s`` None keeps for ever.

        UsageError when it is there with another number of partitions.
        """

    def names(self) -> list[str]:
        """All topics, sorted."""

    def span(self, name: str) -> dict[int, tuple[int, int]]:
        """First kept offset and the offset after the last, by partition; NotFoundError."""

    def offset_at(self, name: str, at: datetime) -> dict[int, int]:
        """The first offset of each partition whose record is of ``at`` or later."""

    def writer(self, name: str) -> Writer:
        """A writer to one topic."""

    def reader(self, name: str, starts: Mapping[int, int]) -> Reader:
        """A reader of the partitions in ``starts`` from those offsets.

        InputError when an offset was there and is no longer kept: records would be lost.
        """

    def close(self) -> None:
        """Let every connection go."""


def partition_of(key: bytes, partitions: int) -> int:
    """Where a key's records go: CRC-32, as librdkafka's ``consistent`` partitioner does it."""
    return zlib.crc32(key) % partitions
