from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lake.engines import kafka
from lake.engines.kafka import Broker
from lake.topics import opened
from schemas.errors import GuiyiError, UsageError


@pytest.mark.slow
def test_a_broker_that_is_up_says_where_and_a_second_start_changes_nothing(broker: Broker) -> None:
    found = broker.status()
    assert (found.is_up, found.is_ready, found.address) == (True, True, broker.address)
    broker.up()
    Broker(broker.folder, broker.port).up()
    assert broker.status().pid == found.pid
    with pytest.raises(UsageError, match="runs already, on another port"):
        Broker(broker.folder, kafka.free_port()).up()


@pytest.mark.slow
def test_topics_outlive_the_broker(broker: Broker) -> None:
    topics = opened(broker.address)
    topics.create("outlives", 2)
    assert Broker(broker.folder, broker.port).down()
    assert not broker.down()
    assert broker.status().address == ""
    broker.up()
    assert topics.span("outlives") == {0: (0, 0), 1: (0, 0)}
    topics.close()


def test_a_port_of_another_is_a_clear_error(tmp_path: Path, has_kafka: None) -> None:
    with socket.socket() as other:
        other.bind((kafka.HOST, 0))
        other.listen()
        port = int(other.getsockname()[1])
        with pytest.raises(UsageError, match=f"port {port} is taken") as caught:
            Broker(tmp_path, port).up()
    assert "--port" in caught.value.todo
    assert not Broker(tmp_path, port).status().is_up


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "value"), [("process.roles", "gardener"), ("authorizer.class.name", "no.Such")]
)
def test_a_broker_that_cannot_start_says_what_its_log_says(
    tmp_path: Path, has_kafka: None, setting: str, value: str
) -> None:
    broken = Broker(tmp_path, kafka.free_port(), {setting: value})
    with pytest.raises(GuiyiError, match=value) as caught:
        broken.up()
    assert caught.value.where
    assert caught.value.todo
    assert not broken.status().is_up


def test_a_number_in_a_file_is_not_taken_for_a_living_broker(tmp_path: Path) -> None:
    (tmp_path / "broker.pid").write_text(f"{os.getpid()} 9092\n")
    idle = Broker(tmp_path, 9092)
    assert not idle.status().is_up
    assert not idle.down()
    idle.kill()


def test_a_broker_that_was_never_up_is_down(tmp_path: Path) -> None:
    assert not Broker(tmp_path / "nothing", 9092).status().is_up
    assert not (tmp_path / "nothing").exists()


@pytest.mark.prove
def test_two_starts_at_once_give_one_broker(tmp_path: Path, has_kafka: None) -> None:
    port = kafka.free_port()
    both = [Broker(tmp_path, port, options=kafka.QUICK) for _ in range(2)]
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(one.up) for one in both]:
            done.result()
    try:
        assert both[0].status() == both[1].status()
        assert both[0].status().is_ready
    finally:
        both[0].kill()
        both[1].kill()
