"""What is Kafka's own, beside the body that all kinds of topics share."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from lake.engines import kafka as engine
from lake.engines.kafka import Broker
from lake.topics import Fresh, Topics, opened, partition_of
from schemas.errors import ConfigError, DeliveryError, InputError, UnreachableError, UsageError

DAY_MS = 86_400_000


@pytest.fixture
def topics(broker: Broker) -> Iterator[Topics]:
    made = opened(broker.address)
    yield made
    made.close()


def fresh_topic(topics: Topics, partitions: int = 1) -> str:
    name = f"k-{uuid.uuid4().hex[:8]}"
    topics.create(name, partitions)
    return name


def send(topics: Topics, name: str, records: list[Fresh]) -> None:
    writer = topics.writer(name)
    for record in records:
        writer.send(record)
    writer.close()


def read_to_end(topics: Topics, name: str, starts: dict[int, int]) -> list[bytes | None]:
    reader, ends = topics.reader(name, starts), topics.span(name)
    found: list[bytes | None] = []
    while any(reader.positions()[one] < ends[one][1] for one in starts):
        found += [record.value for record in reader.read(1_000, 0.5)]
    reader.close()
    return found


@pytest.mark.slow
def test_keys_go_where_the_interface_says(topics: Topics) -> None:
    name = fresh_topic(topics, 5)
    keys = [b"", b"a", "早".encode(), *(b"k%d" % n for n in range(40))]
    send(topics, name, [Fresh(key, key, 1) for key in keys])
    reader = topics.reader(name, dict.fromkeys(range(5), 0))
    found: dict[bytes | None, int] = {}
    while len(found) < len(keys):
        found |= {record.value: record.partition for record in reader.read(100, 5)}
    reader.close()
    assert found == {key: partition_of(key, 5) for key in keys}


@pytest.mark.slow
def test_records_of_an_open_or_aborted_transaction_are_not_read(
    topics: Topics, broker: Broker
) -> None:
    from confluent_kafka import Producer

    name = fresh_topic(topics)
    servers = broker.address.removeprefix("kafka://")
    producer = Producer({"bootstrap.servers": servers, "transactional.id": name, "log_level": 0})
    producer.init_transactions(20)
    for value, is_kept in ((b"one", True), (b"two", False), (b"three", True)):
        producer.begin_transaction()
        producer.produce(name, value, b"k")
        producer.flush(20)
        (producer.commit_transaction if is_kept else producer.abort_transaction)(20)
    producer.begin_transaction()
    producer.produce(name, b"open", b"k")
    producer.flush(20)
    assert topics.span(name) == {0: (0, 6)}, "a marker follows each of three"
    assert read_to_end(topics, name, {0: 0}) == [b"one", b"three"]
    producer.abort_transaction(20)


@pytest.mark.slow
def test_clocks_that_run_ahead_or_behind_lose_no_record(topics: Topics) -> None:
    name, now = fresh_topic(topics), 1_500_000_000_000
    times = [now, now + 400 * DAY_MS, 1, now - 9_000 * DAY_MS, 2**52, now + 1]
    send(topics, name, [Fresh(b"k", b"%d" % at, at) for at in times])
    assert read_to_end(topics, name, {0: 0}) == [b"%d" % at for at in times]


@pytest.mark.slow
def test_poison_passes_through_and_what_is_too_great_is_refused(topics: Topics) -> None:
    name, huge = fresh_topic(topics), bytes(7 << 20)
    values: list[bytes | None] = [b"before", None, b"", b"\xff\xfe{", huge, b"after"]
    send(topics, name, [Fresh(b"k", value, 1) for value in values])
    assert read_to_end(topics, name, {0: 0}) == values
    writer = topics.writer(name)
    with pytest.raises(DeliveryError, match="refused a record") as caught:
        writer.send(Fresh(b"k", bytes(9 << 20), 1))
    assert caught.value.exit_code == 1
    writer.send(Fresh(b"k", b"last", 1))
    writer.close()
    assert read_to_end(topics, name, {0: 6}) == [b"last"]


@pytest.mark.slow
def test_a_record_without_a_time_is_refused(topics: Topics) -> None:
    writer = topics.writer(fresh_topic(topics))
    with pytest.raises(UsageError, match="has no time"):
        writer.send(Fresh(b"k", b"v", 0))
    writer.close()


@pytest.mark.slow
def test_an_offset_that_the_topic_never_had_is_an_error(topics: Topics) -> None:
    name = fresh_topic(topics)
    send(topics, name, [Fresh(b"k", b"v", 1)])
    with pytest.raises(InputError, match="offset 7 of .* is not kept"):
        topics.reader(name, {0: 7})


def test_nobody_there_is_said_within_bounds() -> None:
    nobody = opened(f"kafka://127.0.0.1:{engine.free_port()}", {"message.timeout.ms": "300"})
    with pytest.raises(UnreachableError, match=r"expected: an answer within 0.3 s") as caught:
        nobody.names()
    assert caught.value.exit_code == 75
    assert "refused" in caught.value.got
    nobody.close()


def test_a_setting_that_is_none_names_the_place() -> None:
    with pytest.raises(ConfigError, match=r'No such configuration property: "sasl.sword"'):
        opened("kafka://127.0.0.1:1", {"sasl.sword": "x"})


@pytest.mark.slow
def test_a_client_that_wants_tls_of_a_broker_without_says_so(broker: Broker) -> None:
    settings = {"security.protocol": "ssl", "message.timeout.ms": "1500"}
    with pytest.raises(UnreachableError, match="SSL") as caught:
        opened(broker.address, settings).names()
    assert caught.value.where == broker.address.removeprefix("kafka://")
