"""What is open to a Kafka: a writer and a reader of one topic, and the trouble they meet."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from lake.topics.record import Fresh, Headers, Record
from schemas.errors import (
    DeliveryError,
    GuiyiError,
    InputError,
    NotFoundError,
    UnreachableError,
    UsageError,
)

SLICE_S = 0.5
"""The driver hears no Ctrl-C while it waits, so that it waits in slices."""
GREATEST_VALUE = 8 << 20
AWAY = frozenset({
    KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN,
    KafkaError._MSG_TIMED_OUT, KafkaError._RESOLVE, KafkaError._WAIT_COORD, KafkaError._SSL,
    KafkaError._AUTHENTICATION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.REQUEST_TIMED_OUT,
    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.NETWORK_EXCEPTION,
    KafkaError.BROKER_NOT_AVAILABLE, KafkaError.KAFKA_STORAGE_ERROR,
    KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.NOT_CONTROLLER, KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT, KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.NOT_COORDINATOR,
    KafkaError.UNKNOWN_LEADER_EPOCH, KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.OFFSET_NOT_AVAILABLE, KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
})
"""Errors that pass when the brokers are back; asked again within the bound."""


class Cluster(Protocol):
    """What writers and readers ask of the brokers that they talk to."""

    servers: str
    wait_s: float

    def span(self, name: str) -> dict[int, tuple[int, int]]:
        """First kept offset and the offset after the last, by partition."""

    def is_reachable(self) -> bool:
        """Whether a broker answers now."""

    def away(self, doing: str, said: str) -> UnreachableError:
        """The error for brokers that did not answer within the bound."""


class Trouble:
    """What the driver reports from its threads."""

    def __init__(self) -> None:
        self.last, self.lost, self.count_lost = "", "", 0
        self.was_away = False
        self.away_since: float | None = None

    def note(self, error: KafkaError) -> None:
        """Keep what a client says about its connections."""
        if error.code() != KafkaError._ALL_BROKERS_DOWN:
            self.last = error.str()
        if self.away_since is None:
            self.away_since = time.monotonic()

    def undelivered(self, error: KafkaError | None, message: Message) -> None:
        """Keep that a record could not be delivered, and why."""
        if error is not None:
            self.count_lost += 1
            self.lost = self.lost or error.str()
            self.was_away = self.was_away or error.code() in AWAY


class KafkaWriter:
    """Sends to one topic; a writer that failed stays failed, since order would be lost."""

    def __init__(
        self, producer: Producer, name: str, cluster: Cluster, trouble: Trouble
    ) -> None:
        self._producer, self._name, self._cluster = producer, name, cluster
        self._trouble = trouble
        self._sent = 0

    def send(self, record: Fresh) -> None:
        """Take one record; waits within bounds when too many are on their way."""
        if record.at <= 0:
            raise UsageError(
                "a record has no time", expected="milliseconds since 1970, greater than 0",
                got=str(record.at), where=self._name,
            )
        self._sent += 1
        if self._sent % 256 == 0:
            self._producer.poll(0)
            self._well()
        deadline = 0.0
        while not self._took(record):
            deadline = deadline or time.monotonic() + self._cluster.wait_s
            self._producer.poll(SLICE_S)
            self._well()
            if time.monotonic() > deadline:
                raise self._away("the queue of records to send is full")

    def flush(self) -> None:
        """Return when every record sent is durable."""
        deadline = time.monotonic() + self._cluster.wait_s * 1.5 + 5
        while self._producer.flush(SLICE_S):
            if time.monotonic() > deadline:
                raise self._away("records are not acknowledged")
        self._well()

    def close(self) -> None:
        """Flush and let go."""
        try:
            self.flush()
        finally:
            self._producer.purge()
            self._producer.poll(0)

    def _took(self, record: Fresh) -> bool:
        try:
            self._producer.produce(
                self._name, record.value, record.key, timestamp=record.at,
                headers=list(record.headers) or None,
            )
        except BufferError:
            return False
        except KafkaException as error:
            raise self._refused(error.args[0].str()) from error
        return True

    def _well(self) -> None:
        if self._trouble.count_lost:
            said = f"{self._trouble.count_lost} records: {self._trouble.lost}"
            raise self._away(said) if self._trouble.was_away else self._refused(said)

    def _away(self, said: str) -> UnreachableError:
        last = f" ({self._trouble.last})" if self._trouble.last else ""
        return self._cluster.away(f"taking records of {self._name}", said + last)

    def _refused(self, said: str) -> DeliveryError:
        return DeliveryError(
            f"the topic {self._name} refused a record", got=said, where=self._cluster.servers,
            expected=f"a record of {GREATEST_VALUE >> 20} MiB at most, that this account may write",
            todo="mend the record or the rights; what was not flushed may have to be sent again",
        )


class KafkaReader:
    """Reads assigned partitions; says so when the broker stays away longer than the bound."""

    def __init__(
        self, consumer: Consumer, name: str, starts: Mapping[int, int], cluster: Cluster,
        trouble: Trouble,
    ) -> None:
        self._consumer, self._name, self._cluster = consumer, name, cluster
        self._trouble, self._positions = trouble, dict(starts)
        consumer.assign([TopicPartition(name, one, offset) for one, offset in starts.items()])

    def read(self, most: int, wait_s: float) -> Sequence[Record]:
        """Up to ``most`` records, as soon as there are any or ``wait_s`` have passed."""
        deadline = time.monotonic() + wait_s
        while True:
            found = self._taken(self._consumer.consume(most, 0))
            if found:
                self._trouble.away_since = None
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                self._present()
                return found
            found = self._taken(self._consumer.consume(1, min(left, SLICE_S)))
            if found:
                return found + self._taken(self._consumer.consume(most - 1, 0))

    def positions(self) -> Mapping[int, int]:
        """The next offset of each partition: past markers and gaps too."""
        return dict(self._positions)

    def close(self) -> None:
        """Let go; nothing is remembered of where it stood."""
        self._consumer.close()

    def _taken(self, messages: list[Message]) -> list[Record]:
        found, positions = [], self._positions
        for one in messages:
            error = one.error()
            partition, offset = one.partition(), one.offset()
            if error is not None:
                self._noted(partition, offset, error)
                continue
            assert partition is not None
            assert offset is not None
            positions[partition] = offset + 1
            at, headers = one.timestamp()[1], cast(Headers, tuple(one.headers() or ()))
            found.append(Record(partition, offset, one.key(), one.value(), at, headers))
        return found

    def _noted(self, partition: int | None, offset: int | None, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            assert partition is not None
            assert offset is not None
            self._trouble.away_since = None
            self._positions[partition] = max(self._positions[partition], offset)
        elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            span = self._cluster.span(self._name)
            partition = partition if partition in span else min(span)
            raise gone(self._name, partition, self._positions[partition], *span[partition])
        elif error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC):
            raise missing(self._name, self._cluster.servers, [])
        elif error.code() not in AWAY:
            raise InputError(
                f"the topic {self._name} cannot be read", got=error.str(),
                where=f"{self._cluster.servers}, partition {partition}",
                todo="see the rights of this account, and that the topic is still there",
            )

    def _present(self) -> None:
        """UnreachableError when every broker has been away for longer than the bound."""
        since = self._trouble.away_since
        if since is None or time.monotonic() - since < self._cluster.wait_s:
            return
        if not self._cluster.is_reachable():
            raise self._cluster.away(f"{self._name} was read", self._trouble.last)
        self._trouble.away_since = None


def gone(name: str, partition: int, start: int, first: int, end: int) -> GuiyiError:
    """The error for an offset that is no longer kept, or that the topic never had."""
    lost = f"offsets {start} to {first - 1} are gone" if start < first else f"it ends at {end}"
    return InputError(
        f"offset {start} of {name}, partition {partition}, is not kept",
        expected=f"one of {first} to {end}", got=lost, where=name,
        todo="records are lost to this reader: keep topics longer, or begin at a kept offset",
    )


def missing(name: str, servers: str, known: Sequence[str]) -> NotFoundError:
    """The error for a topic that is not there."""
    return NotFoundError(
        f"there is no topic {name!r}", expected="one of " + (", ".join(known) or "none yet"),
        got=name, where=servers, todo="make it first: `guiyi topic feed` does",
    )
