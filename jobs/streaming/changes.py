"""Definitions that come into force while a job runs: a topic of them, in the order of sending."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.changes import read_change, write_change
from jobs.streaming.checkpoints import Checkpoint
from lake.topics import Fresh, Topics


class Changes:
    """The definitions in force, and what the topic has changed since."""

    def __init__(self, topics: Topics, name: str, before: Checkpoint[Any]) -> None:
        self.definitions = dict(before.definitions)
        kept = before.offsets.get(name, {})
        starts = {n: kept.get(n, first) for n, (first, _) in topics.span(name).items()}
        self._reader = topics.reader(name, starts)

    def have_come(self) -> bool:
        """Whether definitions have changed since the last look; now they are in force."""
        records = self._reader.read(1000, 0)
        before = dict(self.definitions)
        for record in records:
            apply(self.definitions, record.value or b"")
        return self.definitions != before

    def positions(self) -> dict[int, int]:
        """The next offset of each partition."""
        return dict(self._reader.positions())

    def close(self) -> None:
        """Let the topic go."""
        self._reader.close()


def apply(definitions: dict[str, bytes], said: bytes) -> None:
    """Change ``definitions`` as a record says; what is none is passed over."""
    change = read_change(said)
    if change is not None and change[1] is None:
        definitions.pop(change[0], None)
    elif change is not None and change[1] is not None:
        definitions[change[0]] = change[1]


def send(topics: Topics, name: str, changed: Mapping[str, bytes | None], at: int) -> None:
    """Bring definitions into force, or take away those that are None; ``at`` in milliseconds."""
    writer = topics.writer(name)
    for one, definition in sorted(changed.items()):
        writer.send(Fresh(one.encode(), write_change(one, definition), at))
    writer.close()
