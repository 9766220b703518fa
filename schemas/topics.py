"""Which sources come over topics, and how their records become deliveries."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

VERSION = b"1"
"""Of the headers ``source``, ``schema`` and ``version`` that travel with each record."""


class Topic(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The topic of one source."""

    source: str
    """A declared source of JSON lines."""
    partitions: int = 1
    """As many landers can work at once; it cannot be changed later."""
    keep_for_days: int | None = None
    """How long the topic itself keeps records; absent: for ever."""
    key: list[str] = []
    """Columns of the source; the first that a line has is its key, whose order is kept.
    Absent: the columns of its identifiers."""

    @property
    def name(self) -> str:
        """The topic's name."""
        return f"events.{self.source}"


class TopicRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``conf/base/topics.yml``."""

    address: str = "topics"
    """``kafka://HOST:PORT[,HOST:PORT]`` or a folder, below the lake where it is relative.
    ``GUIYI_TOPICS`` says otherwise."""
    kafka: dict[str, str] = {}
    """Settings of librdkafka for a Kafka elsewhere: TLS, SASL, bounds. Secrets stay out of files:
    ``GUIYI_KAFKA_SASL_PASSWORD`` gives ``sasl.password``, and so each other."""
    received_grain_s: int = 60
    """Records of one partition received within so many seconds are one delivery."""
    land_every_s: float = 5.0
    """Records wait so long at most for others to be committed with."""
    land_most: int = 100_000
    """Most records of one commit."""
    file_megabytes: int = 64
    """Files of landed records are brought to about this size."""
    orphans_after_hours: int = 6
    """What no commit names is thrown away when it is so old: a lander that died left it."""
    topics: list[Topic] = []

    def __post_init__(self) -> None:
        """Refuse what would fail only at run time; the loader gives the error its file."""
        for complaint in _complaints(self):
            raise ValueError(complaint)

    def of(self, source: str) -> Topic | None:
        """The topic of a source, if it has one."""
        return next((topic for topic in self.topics if topic.source == source), None)


def _complaints(rules: TopicRules) -> Iterator[str]:
    grain = rules.received_grain_s
    if grain < 1 or 3600 % grain:
        yield f"Expected `received_grain_s` to divide an hour, got `{grain}`"
    if rules.land_every_s < 0 or rules.land_most < 1 or rules.file_megabytes < 1:
        yield "Expected `land_every_s`, `land_most`, `file_megabytes` to be positive"
    if rules.orphans_after_hours < 0:
        yield f"Expected `orphans_after_hours: 0 or more`, got `{rules.orphans_after_hours}`"
    for name in sorted(rules.kafka):
        if "password" in name or "secret" in name or name.endswith(".pem"):
            variable = "GUIYI_KAFKA_" + name.upper().replace(".", "_")
            yield f"Expected no secret in a file, got `{name}`; give it as {variable}"
    sources = [topic.source for topic in rules.topics]
    for source in sorted({one for one in sources if sources.count(one) > 1}):
        yield f"the source {source!r} has two topics"
    for topic in rules.topics:
        if not 1 <= topic.partitions <= 1000:
            yield f"Expected `partitions: 1 to 1000`, got `{topic.partitions}` ({topic.source})"
        if topic.keep_for_days is not None and topic.keep_for_days < 1:
            yield f"Expected `keep_for_days: 1 or more`, got `{topic.keep_for_days}`"
