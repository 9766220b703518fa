"""What the broker may suffer: nothing acknowledged is lost or doubled, and who waits says so."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lake.engines import kafka
from lake.engines.kafka import Broker
from lake.topics import Fresh, Reader, Topics, Writer, opened
from schemas.errors import InputError, UnreachableError

pytestmark = pytest.mark.slow


def numbered(topics: Topics, name: str) -> list[int]:
    """The numbers of all records of a topic of one partition, in its order."""
    reader, end = topics.reader(name, {0: 0}), topics.span(name)[0][1]
    found: list[int] = []
    while reader.positions()[0] < end:
        found += [int(record.value or b"-1") for record in reader.read(10_000, 1)]
    reader.close()
    return found


def test_a_broker_killed_under_load_loses_and_doubles_nothing_acknowledged(broker: Broker) -> None:
    topics, name = opened(broker.address, {"message.timeout.ms": "120000"}), uuid.uuid4().hex
    topics.create(name, 1)
    writer = topics.writer(name)

    def kill_and_start() -> None:
        broker.kill()
        broker.up()

    fault = threading.Thread(target=kill_and_start)
    for number in range(60_000):
        writer.send(Fresh(b"k", b"%d" % number, number + 1))
        if number == 20_000:
            fault.start()
    writer.flush()
    fault.join()
    assert numbered(topics, name) == list(range(60_000))
    writer.close()
    topics.close()


def test_while_the_broker_is_away_all_say_so_within_bounds_and_readers_go_on(
    broker: Broker,
) -> None:
    topics, name = opened(broker.address, {"message.timeout.ms": "2000"}), uuid.uuid4().hex
    topics.create(name, 1)
    writer, reader = topics.writer(name), topics.reader(name, {0: 0})
    for number in range(10):
        writer.send(Fresh(b"k", b"%d" % number, 1))
    writer.flush()
    found: list[int] = []
    while len(found) < 10:
        found += [int(one.value or b"-1") for one in reader.read(100, 5)]
    broker.kill()
    try:
        started = time.monotonic()
        with pytest.raises(UnreachableError, match="did not answer while taking records"):
            send_for_ever(writer)
        with pytest.raises(UnreachableError, match="see that the broker runs"):
            topics.span(name)
        with pytest.raises(UnreachableError, match="was read"):
            read_until(reader, started + 60)
        assert time.monotonic() - started < 45
    finally:
        broker.up()
    with pytest.raises(UnreachableError):
        writer.flush()
    again = topics.writer(name)
    again.send(Fresh(b"k", b"10", 1))
    again.close()
    while 10 not in found:
        found += [int(one.value or b"-1") for one in reader.read(100, 5)]
    assert found == list(range(11))
    reader.close()
    topics.close()


def send_for_ever(writer: Writer) -> None:
    number = 0
    while True:
        writer.send(Fresh(b"k", b"late %d" % number, 1))
        number += 1


def read_until(reader: Reader, deadline: float) -> None:
    while time.monotonic() < deadline:
        reader.read(10, 0.5)


def fill(topics: Topics) -> int:
    """How many records were acknowledged before the topic could take no more."""
    writer, acknowledged = topics.writer("filling"), 0
    try:
        for number in range(2_000):
            # Bytes that no codec makes smaller.
            noise = hashlib.shake_256(b"%d" % number).digest(64 << 10)
            writer.send(Fresh(b"k", b"%d " % number + noise, 1))
            if number % 16 == 15:
                writer.flush()
                acknowledged = number + 1
    except UnreachableError:
        return acknowledged
    raise AssertionError("the disk was never full")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB, where this account may mount one."""
    place = tmp_path / "small"
    place.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=24m", "none", str(place)], capture_output=True,
        check=False,
    )
    if not made or made.returncode:
        pytest.skip("no small file system can be mounted by this account")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


@pytest.mark.prove
def test_a_full_disk_under_the_topic_is_said_and_keeps_all_that_was_acknowledged(
    small_disk: Path, has_kafka: None
) -> None:
    segments = {"log.segment.bytes": str(1 << 20), "log.index.size.max.bytes": str(1 << 16)}
    held = Broker(small_disk / "kafka", kafka.free_port(), segments, kafka.QUICK)
    held.up()
    topics = opened(held.address, {"message.timeout.ms": "5000"})
    topics.create("filling", 1)
    try:
        acknowledged = fill(topics)
        assert acknowledged > 100
        held.kill()
        subprocess.run(["mount", "-o", "remount,size=96m", str(small_disk)], check=True)
        held.up()
        reader, found = topics.reader("filling", {0: 0}), []
        while len(found) < acknowledged:
            found += [int((one.value or b"").split(b" ")[0]) for one in reader.read(100, 5)]
        assert found[:acknowledged] == list(range(acknowledged))
        assert len(set(found)) == len(found)
        reader.close()
    finally:
        held.kill()


@pytest.mark.prove
def test_what_a_topic_keeps_no_longer_is_said_to_a_reader_that_comes_late(
    tmp_path: Path, has_kafka: None
) -> None:
    often = {"log.retention.check.interval.ms": "500", "log.initial.task.delay.ms": "500"}
    held = Broker(tmp_path, kafka.free_port(), often, kafka.QUICK)
    held.up()
    try:
        topics, now = opened(held.address), int(time.time() * 1000)
        for name, keep_for_s in (("short", 60), ("long", None)):
            topics.create(name, 1, keep_for_s)
            writer = topics.writer(name)
            for number in range(10):
                writer.send(Fresh(b"k", b"%d" % number, now - 90_000_000 + number))
            writer.close()
        while topics.span("short") != {0: (10, 10)}:
            time.sleep(0.2)
        with pytest.raises(InputError, match="offsets 0 to 9 are gone"):
            topics.reader("short", {0: 0})
        assert numbered(topics, "long") == list(range(10))
        topics.close()
    finally:
        held.kill()
