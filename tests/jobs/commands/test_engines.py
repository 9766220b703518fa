from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs import registry
from lake.engines import kafka, parts
from lake.engines.kafka import Broker
from schemas.errors import UsageError
from tests.lakes import guiyi

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without Java and jars."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("GUIYI_ENGINES", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)


@pytest.mark.slow
def test_a_job_on_an_engine_whose_parts_are_missing_exits_2_with_what_mends_it(
    bare: None, tmp_path: Path
) -> None:
    done = guiyi(
        "job", "run", "release", "--date", "2017-12-31", "--engine", "spark", data=tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert "java 17 is missing" in done.stderr
    assert "do: install Java 17" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("engine", ["spark", "flink"])
def test_no_job_starts_on_an_engine_whose_parts_are_missing(bare: None, engine: str) -> None:
    job = registry.Job("any", "says", (), lambda _: {}, lambda _: {}, (engine,))
    with pytest.raises(UsageError, match="java 17 is missing"):
        registry.check_engine(job, engine)


@pytest.mark.slow
def test_the_doctor_has_a_line_and_a_command_for_each_missing_part(
    bare: None, tmp_path: Path
) -> None:
    done = guiyi("doctor", "--format", "json", data=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = {row["check"].split(" (")[0]: row for row in json.loads(done.stdout)["checks"]}
    assert {part.name for part in parts.every()} <= set(rows)
    for name in ("java 17", "maven", "kafka jars", "flink jars", "spark jars"):
        assert rows[name]["state"] == "absent"
        assert rows[name]["to mend"]


@pytest.mark.slow
def test_installing_what_is_there_has_nothing_to_do(has_kafka: None) -> None:
    done = guiyi("engines", "install", "kafka")
    assert done.returncode == 99, done.stderr
    assert guiyi("engines", "install", "steam").returncode == 2


@pytest.fixture
def up_and_down(tmp_path: Path, has_kafka: None) -> Iterator[Path]:
    yield tmp_path
    Broker(tmp_path / "kafka", 0).kill()


@pytest.mark.prove
def test_the_broker_comes_up_says_so_and_goes_down(up_and_down: Path) -> None:
    port = str(kafka.free_port())
    assert guiyi("kafka", "status", data=up_and_down).returncode == 75
    started = guiyi("kafka", "up", "--port", port, "--format", "json", data=up_and_down)
    assert started.returncode == 0, started.stderr
    said = json.loads(started.stdout)
    assert (said["ready"], said["address"]) == (True, f"kafka://127.0.0.1:{port}")
    told = guiyi("kafka", "status", data=up_and_down)
    assert told.returncode == 0
    assert f"answers at kafka://127.0.0.1:{port}" in told.stdout
    taken = guiyi("kafka", "up", "--port", port, data=up_and_down / "another")
    assert taken.returncode == 2
    assert f"port {port} is taken" in taken.stderr
    assert guiyi("kafka", "down", data=up_and_down).returncode == 0
    assert guiyi("kafka", "down", data=up_and_down).returncode == 99


@pytest.mark.prove
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_broker_in_the_foreground(up_and_down: Path, sent: signal.Signals) -> None:
    port = str(kafka.free_port())
    shown = subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "kafka", "up", "--foreground", "--port", port],
        env=os.environ | {"PYTHONPATH": str(ROOT), "GUIYI_DATA": str(up_and_down)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    assert shown.stdout is not None
    assert "answers at" in shown.stdout.readline()
    shown.send_signal(sent)
    started = time.monotonic()
    _, said = shown.communicate(timeout=60)
    assert shown.returncode == 130
    assert "stopped" in said
    assert "Traceback" not in said
    assert time.monotonic() - started < 45
    assert not Broker(up_and_down / "kafka", 0).status().is_up
