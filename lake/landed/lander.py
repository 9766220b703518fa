"""Lands topics: reads from the next offset that the table tells, and commits rows with the next.

No consumer group remembers anything: after a crash at any point the table says where to go on.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from lake import crash, locks
from lake.landed.rows import rows_of
from lake.landed.table import LandedTable
from lake.topics import Reader, Record, Topics
from schemas.errors import InputError, NotFoundError, UnreachableError

READ_MOST = 10_000
BATCH_BYTES = 128 << 20
"""Values of one commit; a batch of large records has fewer."""
SILENT_S = 60.0
"""So long a topic that has more may say nothing."""

Clock = Callable[[], datetime]
Noted = Callable[["Landed"], None]


@dataclass(slots=True)
class Landed:
    """What a lander has done: records, commits, and the next offset by partition."""

    topic: str
    records: int = 0
    commits: int = 0
    next: dict[int, int] = field(default_factory=dict)


def land(
    topics: Topics, wanted: Mapping[str, Sequence[int]], root: Path, locks_in: Path, *,
    clock: Clock, most: int = 100_000, every_s: float = 5.0, is_endless: bool = False,
    skip_gone: bool = False, noted: Noted = lambda _: None,
) -> dict[str, Landed]:
    """Land partitions of topics (all when none is named) up to what is there now, or for ever.

    Commits when ``most`` records are read or the first has waited ``every_s``; ``noted`` is told
    after each. BusyError (exit 75) when another lander has one of them; InputError when offsets
    were dropped before they were landed, unless ``skip_gone``.
    """
    table = LandedTable(root)
    with ExitStack() as held:
        landers = []
        for topic, partitions in wanted.items():
            span = topics.span(topic)
            chosen = sorted(partitions) or sorted(span)
            _require_known(topic, chosen, span)
            for partition in chosen:
                held.enter_context(locks.exclusive(locks_in, f"land-{topic}-{partition}"))
            landers.append(Lander(topics, topic, chosen, table, clock, skip_gone=skip_gone))
            held.callback(landers[-1].close)
        for lander in landers:
            ends = {p: end for p, (_, end) in topics.span(lander.topic).items()
                    if p in lander.landed.next}
            while lander.is_behind(ends):
                if lander.step(most, every_s, ends):
                    noted(lander.landed)
        while is_endless:
            for lander in landers:
                if lander.step(most, every_s / len(landers)):
                    noted(lander.landed)
        return {lander.topic: lander.landed for lander in landers}


class Lander:
    """Lands some partitions of one topic without a lock: Delta itself fences it."""

    def __init__(
        self, topics: Topics, topic: str, partitions: Sequence[int], table: LandedTable,
        clock: Clock, *, skip_gone: bool = False,
    ) -> None:
        self.topic, self.table, self.clock = topic, table, clock
        table.refresh()
        starts = _starts(topic, partitions, table, topics.span(topic), skip_gone)
        self.landed = Landed(topic, next=dict(starts))
        self._noted = {p: table.next_offset(topic, p) for p in partitions}
        self._reader: Reader = topics.reader(topic, starts)
        self._heard = time.monotonic()

    def close(self) -> None:
        """Let the topic go."""
        self._reader.close()

    def is_behind(self, ends: Mapping[int, int]) -> bool:
        """Whether a partition has not reached its offset of ``ends``; past gaps it counts too."""
        positions = self._reader.positions()
        return any(max(positions.get(p, 0), self.landed.next[p]) < end for p, end in ends.items())

    def step(self, most: int, every_s: float, ends: Mapping[int, int] | None = None) -> int:
        """Land one batch and return its records; 0 when none came within ``every_s``.

        UnreachableError when nothing has come for long although ``ends`` promise more.
        """
        with _no_collection():
            return self._step(most, every_s, ends)

    def _step(self, most: int, every_s: float, ends: Mapping[int, int] | None) -> int:
        records = self._gathered(most, every_s, ends)
        now = time.monotonic()
        if records or ends is None:
            self._heard = now
        elif now - self._heard > SILENT_S:
            raise UnreachableError(
                f"the topic {self.topic} has more and gives nothing",
                expected=f"offsets up to {dict(ends)}", got=str(self._reader.positions()),
                todo="see whether its broker runs, then run again",
            )
        if records:
            self._commit(records)
        return len(records)

    def _gathered(
        self, most: int, every_s: float, ends: Mapping[int, int] | None
    ) -> list[Record]:
        found: list[Record] = []
        size, deadline = 0, time.monotonic() + every_s
        while len(found) < most and size < BATCH_BYTES:
            # Short waits, so that Ctrl-C is heard soon.
            left = min(deadline - time.monotonic(), 0.5)
            some = self._reader.read(min(most - len(found), READ_MOST), max(left, 0))
            found += some
            size += sum(len(record.value or b"") for record in some)
            if left <= 0 or (ends is not None and not self.is_behind(ends)):
                break
        return found

    def _commit(self, records: Sequence[Record]) -> None:
        crash.point("land.after_read")
        now_ms = int(self.clock().timestamp() * 1000)
        files = self.table.write(rows_of(self.topic, records, now_ms))
        crash.point("land.after_files")
        positions = self._reader.positions()
        read = {record.partition for record in records}
        ends = {p: (self._noted[p], positions[p]) for p in read}
        crash.point("land.before_commit")
        self.table.land(files, self.topic, ends)
        crash.point("land.after_commit")
        self._noted |= {p: end for p, (_, end) in ends.items()}
        self.landed.next |= {p: end for p, (_, end) in ends.items()}
        self.landed.records += len(records)
        self.landed.commits += 1


@contextmanager
def _no_collection() -> Iterator[None]:
    """Records hold no cycles: looking for some among them cost a fifth of the CPU."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _starts(
    topic: str, partitions: Sequence[int], table: LandedTable,
    span: Mapping[int, tuple[int, int]], skip_gone: bool,
) -> dict[int, int]:
    starts = {}
    for partition in partitions:
        first, end = span[partition]
        landed = table.next_offset(topic, partition)
        start = first if landed is None or (skip_gone and landed < first) else landed
        if start > end:
            raise InputError(
                f"{topic}, partition {partition}, is shorter than what was landed of it",
                expected=f"offset {start} or more", got=f"an end at {end}",
                todo="the topic was made anew: bring it back, or give it another name",
            )
        starts[partition] = start
    return starts


def _require_known(
    topic: str, chosen: Sequence[int], span: Mapping[int, tuple[int, int]]
) -> None:
    unknown = [partition for partition in chosen if partition not in span]
    if unknown:
        raise NotFoundError(
            f"{topic} has no partition {unknown[0]}",
            expected=f"0 to {max(span)}", got=", ".join(map(str, unknown)),
        )
