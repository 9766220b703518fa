"""Tags of the streaming subset as a keyed step: which there are, and what they are read from."""

from __future__ import annotations

from jobs.settings import Settings
from pipelines.tags.streaming.keyed import TagStream, definitions
from pipelines.tags.streaming.subset import Subset, chosen
from pipelines.tags.vocabulary import declared

OUTPUT, CHANGES = "tags.values", "tags.definitions"
"""Topics of values that changed, and of definitions that come into force while it runs."""


def subset(settings: Settings) -> Subset:
    """The declared tags that can be told from events over topics, and why the others cannot."""
    sources = ["events"]
    return chosen(declared(settings.tags), sources=sources)


def begun_with(settings: Settings) -> dict[str, bytes]:
    """The definitions that a job begins with, by name."""
    return definitions(subset(settings).tags)


def inputs(settings: Settings) -> dict[str, str]:
    """The topics of events, and the source whose lines each holds."""
    return {topic.name: topic.source for topic in settings.topics.topics}


def keyed(settings: Settings, secret: bytes) -> TagStream:
    """The step for a host; ``secret`` keys identifiers as in the lake."""
    named = set(inputs(settings).values())
    sources = [source for source in settings.sources if source.name in named]
    return TagStream(sources, settings.programme, secret)
