"""One partition of a topic on disk: segments, a sparse index beside each, and where it ends.

``end`` is written after the bytes before it are durable, so that a reader sees nothing that a loss
of power could take back. What lies beyond it is of a writer that died: the next one keeps its whole
records and cuts the rest off.
"""

from __future__ import annotations

import os
import struct
import zlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from lake import crash, locks
from lake.topics import frames
from lake.topics.record import Record
from schemas.errors import StorageError, UnreachableError

_END = struct.Struct("<qqqqI")
_MARK = struct.Struct("<qqq")
MARK_BYTES = 64 << 10
"""About how far apart the index's marks lie."""
CHUNK = 1 << 20
LOCK_WAIT_S = 30.0
"""How long a writer waits for another one's flush."""
NEVER = -(1 << 62)


class End(NamedTuple):
    """The segment written last, its durable bytes, the next offset, the latest time so far."""

    base: int
    position: int
    offset: int
    latest: int


class Mark(NamedTuple):
    """A record's offset and place in its segment, and the latest time of all before it."""

    offset: int
    position: int
    latest: int


class PartitionLog:
    """The partition in ``folder``; segments are about ``segment_bytes`` long."""

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self.folder, self.segment_bytes = folder, segment_bytes
        self._handle: tuple[int, int] | None = None
        """Base of the open segment and its file handle."""

    def make(self) -> None:
        """An empty partition, unless it is there."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if not self.bases():
                self._begin(End(0, 0, 0, NEVER))

    def bases(self) -> list[int]:
        """First offsets of the kept segments, in order."""
        return sorted(int(path.stem) for path in self.folder.glob("*.log"))

    def path(self, base: int) -> Path:
        """The segment that begins with the offset ``base``."""
        return self.folder / f"{base:020}.log"

    def end(self) -> End:
        """Where the durable records end."""
        found = self._told_end()
        if found is not None:
            return found
        with self._locked():
            return self._mended()

    def append(self, packed: Sequence[bytes], times: Sequence[int]) -> int:
        """Append frames and return the first one's offset once all are durable.

        UnreachableError when the disk did not take them: then none of them is there.
        """
        with self._locked():
            end = self._mended()
            if end.position >= self.segment_bytes:
                end = self._begin(End(end.offset, 0, end.offset, end.latest))
            handle = self._opened(end.base)
            try:
                _write(handle, b"".join(packed), end.position)
                os.fsync(handle)
            except OSError as error:
                with suppress(OSError):
                    os.ftruncate(handle, end.position)
                raise UnreachableError(
                    "the topic could not keep what was sent",
                    expected="room on its disk",
                    got=error.strerror or str(error),
                    where=str(self.path(end.base)),
                    todo="free some disk space, then send it again",
                ) from error
            crash.point("topic.before_end")
            self._advance(end, [len(one) for one in packed], times)
            return end.offset

    def marks(self, base: int) -> list[Mark]:
        """The index of a segment; without its file, its beginning."""
        try:
            content = (self.folder / f"{base:020}.index").read_bytes()
        except FileNotFoundError:
            content = b""
        whole = content[: len(content) // _MARK.size * _MARK.size]
        return [Mark(*one) for one in _MARK.iter_unpack(whole)] or [Mark(base, 0, NEVER)]

    def before(self, offset: int) -> Mark:
        """The last mark at or before ``offset``, which must be kept."""
        bases = self.bases()
        base = bases[bisect_right(bases, offset) - 1]
        marks = self.marks(base)
        return marks[bisect_right([mark.offset for mark in marks], offset) - 1]

    def offset_at(self, time: int) -> int:
        """The first offset whose record is of ``time`` or later, else the next one to come."""
        end = self.end()
        bases = [base for base in self.bases() if base <= end.base]
        for base, follower in zip(bases, [*bases[1:], None], strict=True):
            latest = end.latest if follower is None else self.marks(follower)[0].latest
            if latest < time:
                continue
            marks = [mark for mark in self.marks(base) if mark.latest < time or not mark.position]
            stop = end.position if base == end.base else self.path(base).stat().st_size
            offset = marks[-1].offset
            for record in self._records(base, offset, marks[-1].position, stop):
                if record.at >= time:
                    return record.offset
        return end.offset

    def expire(self, before: int) -> int:
        """Drop segments whose every record is older than ``before``; returns how many records."""
        with self._locked():
            end = self._mended()
            bases = self.bases()
            if end.latest < before and end.position:
                self._begin(End(end.offset, 0, end.offset, end.latest))
                bases.append(end.offset)
            first = bases[0]
            for base, follower in zip(bases, bases[1:], strict=False):
                latest = self.marks(follower)[0].latest
                if not NEVER < latest < before:
                    break
                self.path(base).unlink()
                (self.folder / f"{base:020}.index").unlink(missing_ok=True)
            return self.bases()[0] - first

    def close(self) -> None:
        """Let the open file go."""
        if self._handle is not None:
            os.close(self._handle[1])
            self._handle = None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with locks.exclusive(self.folder, "partition", wait_s=LOCK_WAIT_S):
                yield
        except OSError as error:
            raise StorageError(
                "a topic could not be written", got=error.strerror or str(error),
                where=str(self.folder), todo="free some disk space, then run again",
            ) from error

    def _told_end(self) -> End | None:
        try:
            content = (self.folder / "end").read_bytes()
        except FileNotFoundError:
            return None
        if len(content) != _END.size:
            return None
        *parts, told = _END.unpack(content)
        return End(*parts) if zlib.crc32(content[:-4]) == told else None

    def _mended(self) -> End:
        """The end, with what a dead writer left beyond it taken in or cut off."""
        last = self.bases()[-1]
        told = self._told_end()
        is_known = told is not None and told.base == last
        end = told if told and is_known else End(last, 0, last, self.marks(last)[0].latest)
        size = self.path(last).stat().st_size
        if is_known and size == end.position:
            return end
        sizes, times = [], []
        for record in self._records(last, end.offset, end.position, size):
            sizes.append(frames.size_of(record))
            times.append(record.at)
        handle = self._opened(last)
        os.ftruncate(handle, end.position + sum(sizes))
        os.fsync(handle)
        return self._advance(end, sizes, times)

    def _begin(self, end: End) -> End:
        """A new empty segment at ``end``."""
        self.close()
        (self.folder / f"{end.base:020}.index").write_bytes(_MARK.pack(end.base, 0, end.latest))
        self.path(end.base).touch()
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
        self._tell(end)
        return end

    def _opened(self, base: int) -> int:
        if self._handle is None or self._handle[0] != base:
            self.close()
            self._handle = base, os.open(self.path(base), os.O_RDWR)
        return self._handle[1]

    def _advance(self, end: End, sizes: Sequence[int], times: Sequence[int]) -> End:
        """Tell the new end, and mark the places of some records."""
        last = self.marks(end.base)[-1]
        marked = last.position if last.position <= end.position else 0
        base, position, offset, latest = end
        fresh = []
        for size, time in zip(sizes, times, strict=True):
            if position - marked >= MARK_BYTES:
                fresh.append(_MARK.pack(offset, position, latest))
                marked = position
            position += size
            offset += 1
            latest = max(latest, time)
        now = End(base, position, offset, latest)
        self._tell(now)
        if fresh:
            self._mark(base, end.position, b"".join(fresh))
        return now

    def _mark(self, base: int, position: int, fresh: bytes) -> None:
        kept = [mark for mark in self.marks(base) if mark.position < position or not mark.position]
        with open(self.folder / f"{base:020}.index", "r+b") as out:
            out.truncate(len(kept) * _MARK.size)
            out.seek(0, os.SEEK_END)
            out.write(fresh)

    def _tell(self, end: End) -> None:
        content = _END.pack(*end, 0)[:-4]
        handle = os.open(self.folder / "end", os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            _write(handle, content + zlib.crc32(content).to_bytes(4, "little"), 0)
        finally:
            os.close(handle)

    def _records(self, base: int, offset: int, position: int, stop: int) -> Iterator[Record]:
        """Whole records from ``position``, which is that of ``offset``, up to ``stop``."""
        with open(self.path(base), "rb") as file:
            while position < stop:
                block = block_at(file.fileno(), position, stop)
                found, size = frames.records(block, 0, offset, len(block))
                yield from found
                if not found:
                    return
                position, offset = position + size, offset + len(found)


def block_at(handle: int, position: int, stop: int) -> bytes:
    """Some of the bytes from ``position`` up to ``stop``: at least one frame, if it is whole."""
    block = os.pread(handle, min(CHUNK, stop - position), position)
    size = frames.size_of_next(block)
    if len(block) < size <= stop - position:
        block = os.pread(handle, size, position)
    return block


def _write(handle: int, content: bytes, position: int) -> None:
    view = memoryview(content)
    while view:
        done = os.pwrite(handle, view, position)
        view, position = view[done:], position + done
