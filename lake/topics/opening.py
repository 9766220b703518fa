"""Chooses the kind of topics by address."""

from __future__ import annotations

from pathlib import Path

from lake.topics.record import Topics
from schemas.errors import UsageError


def opened(address: str, settings: dict[str, str] | None = None) -> Topics:
    """The topics at ``address``: ``kafka://HOST:PORT[,HOST:PORT]``, or a folder of segments.

    ``settings`` are librdkafka's, for TLS and SASL. UsageError where the driver is missing.
    """
    if address.startswith("kafka://"):
        try:
            from lake.topics.kafka import KafkaTopics
        except ImportError as error:
            raise UsageError(
                "the driver of Kafka is not installed", expected="confluent-kafka", got="nothing",
                todo="pip install 'guiyi[kafka]'",
            ) from error
        return KafkaTopics(address.removeprefix("kafka://"), settings or {})
    from lake.topics.segments import SegmentTopics

    return SegmentTopics(Path(address.removeprefix("file://")))
