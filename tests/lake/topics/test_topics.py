"""One body for every kind of topics: segments, and Kafka where a broker can be started."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lake.topics import Fresh, Reader, Record, Topics, opened, partition_of
from schemas.errors import InputError, NotFoundError, UsageError

HEADERS = (("source", b"app_events"), ("schema", b"f00d"), ("version", b"1"))


@dataclass
class Kind:
    """Topics to test, and how the kind drops what is before an offset."""

    topics: Topics
    drop: Callable[[str, int, int], None]

    def made(self, partitions: int = 1) -> str:
        name = f"t-{uuid.uuid4().hex[:8]}"
        assert self.topics.create(name, partitions)
        return name


def _segments(folder: Path) -> Kind:
    from lake.topics.segments import SegmentTopics

    topics = SegmentTopics(folder, segment_bytes=200)

    def drop(name: str, partition: int, before: int) -> None:
        reader = topics.reader(name, {partition: before})
        topics._log(name, partition).expire(reader.read(1, 0)[0].at)

    return Kind(topics, drop)


def _kafka(request: pytest.FixtureRequest) -> Kind:
    broker = request.getfixturevalue("broker")
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    servers = broker.address.removeprefix("kafka://")
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})

    def drop(name: str, partition: int, before: int) -> None:
        for future in admin.delete_records([TopicPartition(name, partition, before)]).values():
            future.result(10)

    return Kind(opened(broker.address), drop)


@pytest.fixture(params=["segments", pytest.param("kafka", marks=pytest.mark.slow)])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kind]:
    made = _segments(tmp_path) if request.param == "segments" else _kafka(request)
    yield made
    made.topics.close()


def send(kind: Kind, name: str, records: list[Fresh]) -> None:
    writer = kind.topics.writer(name)
    for record in records:
        writer.send(record)
    writer.close()


def some(count: int, keys: int = 1) -> list[Fresh]:
    return [Fresh(b"k%d" % (n % keys), b"v%d" % n, 1_000 * (n + 1), HEADERS) for n in range(count)]


def read_all(reader: Reader, count: int) -> list[Record]:
    found: list[Record] = []
    while len(found) < count:
        some_more = reader.read(count - len(found), 10)
        assert some_more, f"{len(found)} of {count}"
        found += some_more
    reader.close()
    return found


def test_a_record_comes_back_as_it_was_sent(kind: Kind) -> None:
    name = kind.made()
    sent = [
        Fresh(b"k", "早".encode(), 1_500, HEADERS), Fresh(b"", b"\xff\x00", 1), Fresh(b"k", None, 7)
    ]
    send(kind, name, sent)
    found = read_all(kind.topics.reader(name, {0: 0}), 3)
    assert [r[3:] for r in found] == [(s.value, s.at, s.headers) for s in sent]
    assert [r.offset for r in found] == [0, 1, 2]
    assert [r.key or b"" for r in found] == [s.key for s in sent]


def test_records_of_one_key_keep_their_order_in_one_partition(kind: Kind) -> None:
    name = kind.made(3)
    send(kind, name, some(60, keys=7))
    found = read_all(kind.topics.reader(name, {0: 0, 1: 0, 2: 0}), 60)
    for number in range(7):
        mine = [r for r in found if r.key == b"k%d" % number]
        assert {r.partition for r in mine} == {partition_of(b"k%d" % number, 3)}
        assert [r.at for r in mine] == [1_000 * (n + 1) for n in range(number, 60, 7)]


def test_a_reader_begins_at_any_offset(kind: Kind) -> None:
    name = kind.made()
    send(kind, name, some(50))
    for start in (0, 1, 23, 49):
        found = read_all(kind.topics.reader(name, {0: start}), 50 - start)
        assert [r.value for r in found] == [b"v%d" % n for n in range(start, 50)]
    reader = kind.topics.reader(name, {0: 50})
    assert reader.read(10, 0.2) == []
    assert reader.positions() == {0: 50}


def test_a_consumer_that_died_goes_on_where_its_positions_were_noted(kind: Kind) -> None:
    name = kind.made(2)
    send(kind, name, some(40, keys=5))
    first = kind.topics.reader(name, {0: 0, 1: 0})
    before = list(first.read(13, 10))
    noted = first.positions()
    first.read(9, 10)
    del first
    after = read_all(kind.topics.reader(name, noted), 40 - len(before))
    found = [(r.partition, r.offset) for r in before + after]
    assert len(set(found)) == len(found) == 40


def test_what_comes_later_is_read_by_a_reader_that_waits(kind: Kind) -> None:
    name = kind.made()
    reader = kind.topics.reader(name, {0: 0})
    assert reader.read(10, 0) == []
    send(kind, name, some(2))
    assert [r.value for r in read_all(reader, 2)] == [b"v0", b"v1"]


def test_span_and_the_offset_of_a_time(kind: Kind) -> None:
    name = kind.made()
    assert kind.topics.span(name) == {0: (0, 0)}
    send(kind, name, some(30))
    assert kind.topics.span(name) == {0: (0, 30)}

    def at(ms: int) -> int:
        return kind.topics.offset_at(name, datetime.fromtimestamp(ms / 1000, UTC))[0]

    assert [at(0), at(1_001), at(18_000), at(18_001), at(30_001)] == [0, 1, 17, 18, 30]


def test_a_time_out_of_order_gives_the_first_record_that_is_late_enough(kind: Kind) -> None:
    name = kind.made()
    send(kind, name, [Fresh(b"k", b"v", ms) for ms in (5_000, 1_000, 9_000, 2_000)])
    assert kind.topics.offset_at(name, datetime.fromtimestamp(6, UTC)) == {0: 2}


def test_a_dropped_offset_is_an_error_and_later_ones_are_read(kind: Kind) -> None:
    name = kind.made()
    send(kind, name, some(20))
    for record in some(20):
        send(kind, name, [record._replace(at=record.at + 20_000)])
    kind.drop(name, 0, 30)
    first, end = kind.topics.span(name)[0]
    assert 0 < first <= 30
    assert end == 40
    with pytest.raises(InputError, match="not kept"):
        read_all(kind.topics.reader(name, {0: 0}), 1)
    found = read_all(kind.topics.reader(name, {0: first}), 40 - first)
    assert [r.offset for r in found] == list(range(first, 40))


def test_a_topic_is_made_once(kind: Kind) -> None:
    name = kind.made(2)
    assert not kind.topics.create(name, 2)
    assert name in kind.topics.names()
    with pytest.raises(UsageError, match="another number of partitions"):
        kind.topics.create(name, 3)
    with pytest.raises(NotFoundError, match="no topic 'nowhere'"):
        kind.topics.span("nowhere")
