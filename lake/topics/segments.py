"""Topics as append-only files: the default, in process, with nothing to start.

A folder per topic, a folder per partition. Many may read while one writes; writers of several
threads and processes take turns, and what waits meanwhile goes with the next flush.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from lake import locks
from lake.topics import frames
from lake.topics.partition_log import PartitionLog, block_at
from lake.topics.record import Fresh, Record, partition_of
from schemas.errors import InputError, NotFoundError, StorageError, UsageError

SEGMENT_BYTES = 64 << 20
BUFFER_BYTES = 8 << 20
"""Sent and not flushed; what goes beyond is flushed at once."""
_POLL_S = 0.01
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}")
_ABOUT = "topic.json"


class _About(msgspec.Struct, frozen=True):
    partitions: int
    keep_for_s: int | None = None


class SegmentTopics:
    """The topics below ``folder``; see ``lake.topics.record.Topics``."""

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder, self.segment_bytes = folder, segment_bytes

    def create(self, name: str, partitions: int, keep_for_s: int | None = None) -> bool:
        """Make the topic; False when it is there. UsageError: a bad name, other partitions."""
        if not _NAME.fullmatch(name) or partitions < 1:
            raise UsageError(
                "this cannot be a topic",
                expected="a name of letters, digits, dot, dash, and at least one partition",
                got=f"{name!r} with {partitions} partitions",
            )
        with locks.exclusive(self.folder, "topics", wait_s=10):
            path = self.folder / name / _ABOUT
            if path.exists():
                _require_same(name, self._about(name), partitions)
                return False
            for number in range(partitions):
                self._log(name, number).make()
            fresh = path.with_suffix(".fresh")
            fresh.write_bytes(msgspec.json.encode(_About(partitions, keep_for_s)))
            os.replace(fresh, path)
        return True

    def names(self) -> list[str]:
        """All topics, sorted."""
        return sorted(path.parent.name for path in self.folder.glob(f"*/{_ABOUT}"))

    def span(self, name: str) -> dict[int, tuple[int, int]]:
        """First kept offset and the offset after the last, by partition; NotFoundError."""
        return {n: (log.bases()[0], log.end().offset) for n, log in self._logs(name).items()}

    def offset_at(self, name: str, at: datetime) -> dict[int, int]:
        """The first offset of each partition whose record is of ``at`` or later, else its end."""
        time_ms = _milliseconds(at)
        return {number: log.offset_at(time_ms) for number, log in self._logs(name).items()}

    def writer(self, name: str) -> SegmentWriter:
        """A writer to one topic."""
        return SegmentWriter(self._logs(name))

    def reader(self, name: str, starts: Mapping[int, int]) -> SegmentReader:
        """A reader of the partitions in ``starts`` from those offsets; InputError: not kept."""
        logs = self._logs(name)
        return SegmentReader({n: _Cursor(name, n, logs[n], at) for n, at in starts.items()})

    def expire(self, now: datetime) -> dict[str, int]:
        """Drop segments whose every record is older than its topic keeps; records, by topic."""
        dropped = {}
        for name in self.names():
            keep_for_s = self._about(name).keep_for_s
            if keep_for_s is not None:
                before = _milliseconds(now - timedelta(seconds=keep_for_s))
                dropped[name] = sum(log.expire(before) for log in self._logs(name).values())
        return dropped

    def close(self) -> None:
        """Nothing is held open here."""

    def _about(self, name: str) -> _About:
        try:
            content = (self.folder / name / _ABOUT).read_bytes()
        except OSError:
            raise NotFoundError(
                f"there is no topic {name!r}",
                expected="one of " + (", ".join(self.names()) or "none yet"),
                got=name,
                where=str(self.folder),
                todo="make it first: `guiyi topic feed` does",
            ) from None
        return msgspec.json.decode(content, type=_About)

    def _logs(self, name: str) -> dict[int, PartitionLog]:
        return {number: self._log(name, number) for number in range(self._about(name).partitions)}

    def _log(self, name: str, number: int) -> PartitionLog:
        return PartitionLog(self.folder / name / str(number), self.segment_bytes)


class SegmentWriter:
    """A writer that several threads may share; whoever flushes takes the others' records along."""

    def __init__(self, logs: Mapping[int, PartitionLog]) -> None:
        self._logs = logs
        self._waiting: dict[int, tuple[list[bytes], list[int]]] = {}
        self._bytes = 0
        self._buffer, self._disk = threading.Lock(), threading.Lock()

    def send(self, record: Fresh) -> None:
        """Take one record; UnreachableError when those before it cannot be kept."""
        if self._bytes >= BUFFER_BYTES:
            self.flush()
        packed = frames.packed(record)
        number = partition_of(record.key, len(self._logs))
        with self._buffer:
            waiting = self._waiting.setdefault(number, ([], []))
            waiting[0].append(packed)
            waiting[1].append(record.at)
            self._bytes += len(packed)

    def flush(self) -> None:
        """Return when every record sent is durable.

        After an UnreachableError they wait still, and another flush may succeed.
        """
        with self._disk:
            with self._buffer:
                taken, self._waiting, self._bytes = self._waiting, {}, 0
            left = dict(taken)
            try:
                for number, (packed, times) in taken.items():
                    self._logs[number].append(packed, times)
                    del left[number]
            finally:
                self._put_back(left)

    def close(self) -> None:
        """Flush and let go."""
        try:
            self.flush()
        finally:
            for log in self._logs.values():
                log.close()

    def _put_back(self, left: Mapping[int, tuple[list[bytes], list[int]]]) -> None:
        with self._buffer:
            for number, (packed, times) in left.items():
                later = self._waiting.get(number, ([], []))
                self._waiting[number] = packed + later[0], times + later[1]
                self._bytes += sum(map(len, packed))


class SegmentReader:
    """Reads its partitions in turn."""

    def __init__(self, cursors: dict[int, _Cursor]) -> None:
        self._cursors = cursors

    def read(self, most: int, wait_s: float) -> Sequence[Record]:
        """Up to ``most`` records, as soon as there are any or ``wait_s`` have passed."""
        deadline = time.monotonic() + wait_s
        while True:
            found: list[Record] = []
            for number in list(self._cursors):
                # Who was read first comes last next time.
                cursor = self._cursors.pop(number)
                self._cursors[number] = cursor
                found += cursor.read(most - len(found))
                if len(found) >= most:
                    return found
            left = deadline - time.monotonic()
            if found or left <= 0:
                return found
            time.sleep(min(_POLL_S, left))

    def positions(self) -> dict[int, int]:
        """The next offset of each partition."""
        return {number: cursor.offset for number, cursor in self._cursors.items()}

    def close(self) -> None:
        """Let the files go."""
        for cursor in self._cursors.values():
            cursor.close()


class _Cursor:
    """A place in one partition."""

    def __init__(self, name: str, number: int, log: PartitionLog, offset: int) -> None:
        self._name, self._number, self._log = name, number, log
        self.offset = offset
        self._handle = -1
        first, end = log.bases()[0], log.end().offset
        if not first <= offset <= end:
            raise self._gone(f"{first} to {end}")
        mark = log.before(offset)
        self._open(max(base for base in log.bases() if base <= mark.offset))
        self._position, self._skip = mark.position, offset - mark.offset

    def read(self, most: int) -> list[Record]:
        found: list[Record] = []
        end = self._log.end()
        while len(found) < most and self.offset < end.offset:
            is_last = self._base == end.base
            stop = end.position if is_last else os.fstat(self._handle).st_size
            if self._position >= stop:
                self._go_on()
                continue
            self._take(found, most, stop)
        return found

    def _take(self, found: list[Record], most: int, stop: int) -> None:
        block = block_at(self._handle, self._position, stop)
        wanted = most - len(found) + self._skip
        some, size = frames.records(block, self._number, self.offset - self._skip, wanted)
        if not some:
            raise self._damaged()
        self._position += size
        found += some[self._skip :] if self._skip else some
        self.offset += max(len(some) - self._skip, 0)
        self._skip = max(self._skip - len(some), 0)

    def _go_on(self) -> None:
        """To the next segment."""
        later = [base for base in self._log.bases() if base > self._base]
        if not later or later[0] != self.offset:
            raise self._gone(f"{later[0] if later else 'later'} onwards")
        self._open(later[0])
        self._position = 0

    def _open(self, base: int) -> None:
        self.close()
        self._base = base
        try:
            self._handle = os.open(self._log.path(base), os.O_RDONLY)
        except FileNotFoundError:
            raise self._gone("later offsets") from None

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _damaged(self) -> StorageError:
        return StorageError(
            "a segment of a topic is damaged",
            expected="a record with its sum",
            got=f"other bytes at byte {self._position}",
            where=str(self._log.path(self._base)),
            todo="bring the file back from a copy, or read on from a later offset",
        )

    def _gone(self, kept: str) -> InputError:
        return InputError(
            f"offset {self.offset} of {self._name}, partition {self._number}, is not kept",
            expected=f"one of {kept}",
            got=str(self.offset),
            where=str(self._log.folder),
            todo="records are lost to this reader: keep topics longer, or begin at a kept offset",
        )


def _milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _require_same(name: str, about: _About, partitions: int) -> None:
    if about.partitions != partitions:
        raise UsageError(
            f"the topic {name} is there with another number of partitions",
            expected=f"{about.partitions} partitions",
            got=str(partitions),
            todo="keys would change their partition and lose their order: make another topic",
        )
