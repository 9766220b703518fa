"""Runs a keyed step over topics in this process; what it says, it says once.

A checkpoint holds states, offsets and what is about to be said, and is written before that is
sent. After a crash whatever of it the topic has already is not sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from domain.keyed import Held, Keyed, Out
from jobs.streaming import checkpoints
from jobs.streaming.changes import Changes
from jobs.streaming.checkpoints import Checkpoint
from jobs.streaming.clocks import Clocks
from lake import crash
from lake.topics import Fresh, Reader, Topics
from schemas.streaming import Streaming

READ_MOST = 10_000
CHECKPOINT_SHARE = 10
"""Of the time, at most a tenth goes into writing checkpoints: a large state is written rarely."""


class Stream(NamedTuple):
    """What a job reads and writes."""

    inputs: Mapping[str, str]
    """Topics, and the source whose lines each holds."""
    output: str
    changes: str
    """Topic of changed definitions."""


class Counts(msgspec.Struct):
    """What a job has done since it was started."""

    records: int = 0
    events: int = 0
    said: int = 0
    checkpoints: int = 0


class Runner:
    """A keyed step over the topics of ``stream``; goes on from the checkpoint in ``path``."""

    def __init__(
        self, keyed: Keyed[Any, Any, Any], topics: Topics, stream: Stream, path: Path,
        bounds: Streaming, definitions: Mapping[str, bytes],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.keyed, self.topics, self.stream, self.path = keyed, topics, stream, path
        self.bounds, self.now, self.counts = bounds, now, Counts()
        found = checkpoints.read(path, keyed.state_type)
        before = found or Checkpoint[Any](definitions=dict(definitions))
        self._changes = Changes(topics, stream.changes, before)
        self.held = Held(keyed, keyed.rules(self._changes.definitions))
        self.held.restore(before.passed, before.states, before.wakes)
        self._starts = {name: self._start(name, before) for name in stream.inputs}
        self._clocks = Clocks(before.times, self._starts, bounds.idle_s, self._is_at_end)
        self._readers = {n: topics.reader(n, starts) for n, starts in self._starts.items()}
        self._writer = topics.writer(stream.output)
        self._said: list[Out] = []
        self._is_clean = found is not None
        self._written_at, self._took = now(), 0.0
        if before.outs:
            self._send(self._unsent(before))

    def run(self, is_over: Callable[[], bool], *, is_endless: bool = True) -> Counts:
        """Go on until ``is_over``, or without ``is_endless`` until the topics' end is reached."""
        ends = None if is_endless else {name: self.topics.span(name) for name in self._readers}
        while not is_over():
            came = self.once()
            if not came and ends is not None and self._has_reached(ends):
                self._advance(self._clocks.greatest())
                break
        self.checkpoint()
        return self.counts

    def once(self) -> int:
        """One round: definitions, records, time, and a checkpoint when one is due."""
        if self._changes.have_come():
            self.held.rules = self.keyed.rules(self._changes.definitions)
            self._is_clean = False
        came = 0
        for name, source in self.stream.inputs.items():
            came += self._take(name, source, self._readers[name])
        self._advance(self._clocks.least(self.now()))
        if not came:
            time.sleep(self.bounds.timers_at_s / 10)
        wait = max(self.bounds.checkpoint_s, self._took * CHECKPOINT_SHARE)
        if not self._is_clean and self.now() - self._written_at >= wait:
            self.checkpoint()
        return came

    def checkpoint(self) -> None:
        """Write down where the job stands, then say what it has to say."""
        if self._is_clean:
            return
        crash.point("stream.before_checkpoint")
        began = self.now()
        passed, states, wakes = self.held.snapshot()
        said, self._said = self._said, []
        ends = {n: end for n, (_, end) in self.topics.span(self.stream.output).items()}
        checkpoints.write(
            self.path,
            Checkpoint(
                offsets={name: dict(one.positions()) for name, one in self._readers.items()}
                | {self.stream.changes: self._changes.positions()},
                times=self._clocks.times, definitions=self._changes.definitions, passed=passed,
                states=states, wakes=wakes, outs=said, output=ends,
            ),
        )
        crash.point("stream.after_checkpoint")
        self._send(said)
        crash.point("stream.after_outs")
        self.counts.checkpoints += 1
        self._is_clean, self._written_at = True, self.now()
        self._took = self._written_at - began

    def close(self) -> None:
        """Let the topics go."""
        for reader in self._readers.values():
            reader.close()
        self._changes.close()
        self._writer.close()

    def _take(self, name: str, source: str, reader: Reader) -> int:
        records = reader.read(READ_MOST, 0)
        if not records:
            return 0
        read, rules, times = self.keyed.read, self.held.rules, self._clocks.times[name]
        events = []
        for partition, _, _, value, at, _ in records:
            times[partition] = at
            if value is not None:
                event = read(rules, source, value, at * 1000)
                if event is not None:
                    events.append(event)
        self._clocks.moved(name, {record.partition for record in records}, self.now())
        self._said += self.held.take(events)
        self.counts.records += len(records)
        self.counts.events += len(events)
        self._is_clean = False
        return len(records)

    def _is_at_end(self, name: str, partition: int) -> bool:
        """Whether nothing of a partition is left to read."""
        position = self._readers[name].positions().get(partition, 0)
        return position >= self.topics.span(name)[partition][1]

    def _advance(self, time_ms: int | None) -> None:
        if time_ms is not None:
            passed = (time_ms - self.bounds.lateness_s * 1000) * 1000 - 1
            said = self.held.advance(passed)
            self._said += said
            self._is_clean = self._is_clean and not said

    def _start(self, name: str, before: Checkpoint[Any]) -> dict[int, int]:
        kept = before.offsets.get(name, {})
        return {n: kept.get(n, first) for n, (first, _) in self.topics.span(name).items()}

    def _has_reached(self, ends: dict[str, dict[int, tuple[int, int]]]) -> bool:
        return all(
            reader.positions().get(n, 0) >= end
            for name, reader in self._readers.items() for n, (_, end) in ends[name].items()
        )

    def _send(self, said: list[Out]) -> None:
        for number, out in enumerate(said):
            if number == len(said) // 2:
                self._writer.flush()
                crash.point("stream.between_outs")
            self._writer.send(Fresh(out.key.encode(), out.value, out.at // 1000))
        if said:
            self._writer.flush()
            self.counts.said += len(said)

    def _unsent(self, before: Checkpoint[Any]) -> list[Out]:
        """What the last checkpoint was about to say and the topic has not got."""
        span = self.topics.span(self.stream.output)
        starts = {n: max(before.output.get(n, first), first) for n, (first, _) in span.items()}
        reader = self.topics.reader(self.stream.output, starts)
        there: set[bytes] = set()
        while any(reader.positions()[n] < end for n, (_, end) in span.items()):
            there |= {record.value for record in reader.read(READ_MOST, 0.5) if record.value}
        reader.close()
        return [out for out in before.outs if out.value not in there]
