"""Topics on a Kafka: idempotent writers, readers that assign partitions and offsets themselves.

Consumer-group offsets are not used: where a reader goes on stands in the lake, beside its rows.
``message.timeout.ms`` bounds every wait for the broker, not only that of a writer.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]
from confluent_kafka.cimpl import NewTopic

from lake.topics.kafka_clients import (
    AWAY,
    GREATEST_VALUE,
    KafkaReader,
    KafkaWriter,
    Trouble,
    gone,
    missing,
)
from lake.topics.kafka_settings import from_environment
from lake.topics.record import Reader, Writer
from schemas.errors import (
    ConfigError,
    InputError,
    NotFoundError,
    UnreachableError,
    UsageError,
)

Answer = TypeVar("Answer")

EVER = str(2**63 - 1)
EARLIEST: Any = OffsetSpec.earliest()  # type: ignore[no-untyped-call]
LATEST: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]
DEFAULTS = {"message.timeout.ms": "30000", "log.connection.close": "false"}
PRODUCER = {
    "linger.ms": "20",
    "batch.size": str(256 << 10),
    "message.max.bytes": str(GREATEST_VALUE + (64 << 10)),
    "queue.buffering.max.messages": "200000",
    "queue.buffering.max.kbytes": str(64 << 10),
}
CONSUMER = {
    "group.id": "guiyi",
    "fetch.wait.max.ms": "100",
    "fetch.error.backoff.ms": "100",
    "queued.max.messages.kbytes": str(32 << 10),
}
PROMISED_BY_PRODUCER: dict[str, Any] = {
    "enable.idempotence": "true", "acks": "all", "compression.type": "lz4",
    "partitioner": "consistent", "delivery.report.only.error": True,
}
PROMISED_BY_CONSUMER = {
    "enable.auto.commit": "false", "isolation.level": "read_committed",
    "auto.offset.reset": "error", "enable.partition.eof": "true", "check.crcs": "true",
}
"""What the interface promises stands on these, so that no setting of a user replaces them."""
# The driver logs each attempt to connect; its last words are part of the errors here.
_said = logging.getLogger("guiyi.kafka")
_said.setLevel(logging.CRITICAL + 1)


class KafkaTopics:
    """The topics of the brokers ``servers`` (HOST:PORT, separated by commas)."""

    def __init__(self, servers: str, settings: Mapping[str, str]) -> None:
        self.servers = servers
        self._settings = {
            **DEFAULTS, **settings, **from_environment(), "bootstrap.servers": servers,
        }
        self.wait_s = int(self._settings["message.timeout.ms"]) / 1000
        self._short_s = min(self.wait_s, 2.0)
        self._trouble = Trouble()
        self._admin = _made(AdminClient, self._with({}, {}))

    def create(self, name: str, partitions: int, keep_for_s: int | None = None) -> bool:
        """Make the topic; False when it is there already. ``keep_for_s`` None keeps for ever."""
        known = self._partitions(name)
        if not known:
            kept = "-1" if keep_for_s is None else str(keep_for_s * 1000)
            settings = {
                "retention.ms": kept, "retention.bytes": "-1", "cleanup.policy": "delete",
                "max.message.bytes": PRODUCER["message.max.bytes"],
                # A record from a clock that runs ahead is kept as well.
                "message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": EVER,
            }
            if keep_for_s is not None:
                # Whole segments expire, by their youngest record.
                settings["segment.ms"] = str(min(max(keep_for_s * 250, 1000), 7 * 86_400_000))
            known = self._create(NewTopic(name, partitions, -1, config=settings))
            if len(known) == partitions:
                return True
        if len(known) != partitions:
            raise UsageError(
                f"the topic {name} is there with another number of partitions",
                expected=f"{len(known)} partitions", got=f"{partitions}", where=self.servers,
                todo="keys would change their partition and lose their order: make another topic",
            )
        return False

    def names(self) -> list[str]:
        """All topics, sorted; those of the broker itself are left out."""
        told = self._asked(lambda: self._admin.list_topics(timeout=self._short_s))
        return sorted(name for name in told.topics if not name.startswith("__"))

    def span(self, name: str) -> dict[int, tuple[int, int]]:
        """First kept offset and the offset after the last committed one, by partition."""
        first = self._offsets(name, EARLIEST)
        last = self._offsets(name, LATEST)
        return {partition: (first[partition], last[partition]) for partition in sorted(last)}

    def offset_at(self, name: str, at: datetime) -> dict[int, int]:
        """The first offset of each partition whose record is of ``at`` or later."""
        moment = OffsetSpec.for_timestamp(max(0, math.ceil(at.timestamp() * 1000)))
        found, ends = self._offsets(name, moment), self._offsets(name, LATEST)
        return {
            partition: found[partition] if found[partition] >= 0 else end
            for partition, end in sorted(ends.items())
        }

    def writer(self, name: str) -> Writer:
        """A writer to one topic; NotFoundError where there is none of that name."""
        self._known(name)
        trouble = Trouble()
        settings = self._with(PRODUCER, PROMISED_BY_PRODUCER) | {
            "on_delivery": trouble.undelivered, "error_cb": trouble.note,
        }
        return KafkaWriter(_made(Producer, settings), name, self, trouble)

    def reader(self, name: str, starts: Mapping[int, int]) -> Reader:
        """A reader of the partitions in ``starts`` from those offsets."""
        held = self.span(name)
        for partition, start in starts.items():
            if partition not in held:
                raise NotFoundError(
                    f"the topic {name} has no partition {partition}",
                    expected=f"0 to {len(held) - 1}", got=str(partition), where=self.servers,
                )
            first, end = held[partition]
            if not first <= start <= end:
                raise gone(name, partition, start, first, end)
        trouble = Trouble()
        settings = self._with(CONSUMER, PROMISED_BY_CONSUMER) | {"error_cb": trouble.note}
        return KafkaReader(_made(Consumer, settings), name, starts, self, trouble)

    def close(self) -> None:
        """Let the connection go; writers and readers have their own."""
        self._admin.poll(0)

    def is_reachable(self) -> bool:
        """Whether a broker answers now."""
        try:
            self._admin.list_topics(timeout=self._short_s)
        except KafkaException:
            return False
        return True

    def away(self, doing: str, said: str) -> UnreachableError:
        """The error for brokers that did not answer within the bound."""
        return UnreachableError(
            f"Kafka did not answer while {doing}", expected=f"an answer within {self.wait_s:g} s",
            got=said, where=self.servers,
            todo="see that the broker runs (`guiyi kafka status`) and run again",
        )

    def _with(self, defaults: Mapping[str, str], promised: Mapping[str, Any]) -> dict[str, Any]:
        return {**defaults, **self._settings, **promised, "error_cb": self._trouble.note}

    def _create(self, topic: NewTopic) -> list[int]:
        try:
            future = self._admin.create_topics([topic], request_timeout=self.wait_s)[topic.topic]
            _waited(future)
        except KafkaException as error:
            problem = error.args[0]
            if problem.code() in AWAY:
                raise self.away(f"making the topic {topic.topic}", problem.str()) from error
            if problem.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise UsageError(
                    f"the topic {topic.topic} could not be made", got=problem.str(),
                    where=self.servers, todo="mend what the broker says",
                ) from error
        return self._asked(lambda: self._led(topic.topic))

    def _led(self, name: str) -> list[int]:
        """The partitions once each has a leader: then records are taken."""
        topic = self._admin.list_topics(name, timeout=self._short_s).topics[name]
        if topic.error is not None:
            raise KafkaException(topic.error)
        if any(one.leader < 0 for one in topic.partitions.values()):
            raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE))
        return sorted(topic.partitions)

    def _partitions(self, name: str) -> list[int]:
        told = self._asked(lambda: self._admin.list_topics(timeout=self._short_s))
        return sorted(told.topics[name].partitions) if name in told.topics else []

    def _known(self, name: str) -> list[int]:
        partitions = self._partitions(name)
        if not partitions:
            raise missing(name, self.servers, self.names())
        return partitions

    def _offsets(self, name: str, spec: OffsetSpec) -> dict[int, int]:
        asked = {TopicPartition(name, partition): spec for partition in self._known(name)}

        def ask() -> dict[int, int]:
            told = self._admin.list_offsets(
                asked, isolation_level=IsolationLevel.READ_COMMITTED,
                request_timeout=self._short_s,
            )
            return {place.partition: _waited(one).offset for place, one in told.items()}

        return self._asked(ask)

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        deadline = time.monotonic() + self.wait_s
        while True:
            try:
                return ask()
            except KafkaException as error:
                problem = error.args[0]
                if problem.code() not in AWAY:
                    raise InputError(
                        "Kafka refused", got=problem.str(), where=self.servers,
                        todo="see the rights of this account and the settings of topics",
                    ) from error
                if time.monotonic() > deadline:
                    self._admin.poll(0)
                    said = self._trouble.last or problem.str()
                    raise self.away("being asked for its topics", said) from error
                time.sleep(0.1)


def _made(kind: Callable[..., Answer], settings: dict[str, Any]) -> Answer:
    try:
        return kind(settings, logger=_said)
    except KafkaException as error:
        raise ConfigError(
            "a setting of Kafka is wrong", expected="settings of librdkafka",
            got=error.args[0].str(), where="the settings of topics, or GUIYI_KAFKA_*",
            todo="mend it (docs/engines.md)",
        ) from error


def _waited(future: Any) -> Any:
    """The future's result, with Ctrl-C heard meanwhile."""
    while not future.done():
        time.sleep(0.005)
    return future.result()
