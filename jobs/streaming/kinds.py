"""The streaming jobs: what each steps with, reads and says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from domain.counts import Counting
from domain.keyed import Keyed
from jobs.settings import Settings
from jobs.streaming import tags
from jobs.streaming.patterns import Patterns, definitions
from schemas.streaming import Streaming


class Kind(NamedTuple):
    """A streaming job."""

    says: str
    keyed: Callable[[Settings, bytes], Keyed[Any, Any, Any]]
    """Its step; the bytes are the secret that identifiers are keyed with."""
    begun_with: Callable[[Settings], dict[str, bytes]]
    """The definitions that it begins with, by name."""
    output: str
    changes: str
    """Topic of definitions that come into force while it runs."""
    is_late: bool = True
    """Whether it goes by when events happened, so that it waits for late ones."""

    def bounds(self, settings: Settings) -> Streaming:
        """How it waits."""
        given = settings.streaming
        if self.is_late:
            return given
        return Streaming(0, given.idle_s, given.checkpoint_s, given.timers_at_s)


KINDS = {
    "patterns": Kind(
        "matches of patterns with absence",
        lambda settings, secret: Patterns(settings.sources, settings.programme, secret),
        lambda settings: definitions(settings.patterns),
        "patterns.matches", "patterns.definitions",
    ),
    "tags": Kind(
        "tags of the streaming subset", tags.keyed, tags.begun_with, tags.OUTPUT, tags.CHANGES,
    ),
    "counts": Kind(
        "events received per source, type and minute",
        lambda settings, _: Counting(settings.sources), lambda _: {},
        "counts.by_minute", "counts.definitions", is_late=False,
    ),
}


def inputs(settings: Settings, there: set[str]) -> dict[str, str]:
    """The declared topics that are there, and the source whose lines each holds."""
    return {one.name: one.source for one in settings.topics.topics if one.name in there}
