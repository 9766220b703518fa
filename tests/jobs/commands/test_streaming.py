"""``guiyi stream``: what the commands say and how they end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs.cli import app
from jobs.streaming.kinds import KINDS
from lake.topics import opened
from schemas.errors import NotFoundError, NothingToDo, UsageError
from tests.jobs.streaming import made

RUN = CliRunner()


@pytest.fixture
def data(tmp_path: Path) -> str:
    topics = opened(str(tmp_path / "topics"))
    topics.create("events.app_events", 4)
    made.send(topics, "events.app_events", made.lines(500, 10))
    made.send(topics, "events.app_events", made.closing(made.START + 100 * 86_400_000))
    return str(tmp_path)


def test_patterns_are_said_once(data: str) -> None:
    done = RUN.invoke(app, ["stream", "patterns", "--data", data, "--format", "json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)["said"]
    assert said > 0
    topics = opened(f"{data}/topics")
    assert len(made.said(topics, KINDS["patterns"].output)) == said
    again = RUN.invoke(app, ["stream", "patterns", "--data", data])
    assert isinstance(again.exception, NothingToDo)


def test_counts_of_all_minutes_are_those_of_the_records(data: str) -> None:
    done = RUN.invoke(app, ["stream", "counts", "--data", data])
    assert done.exit_code == 0, done.output
    told = made.said(opened(f"{data}/topics"), KINDS["counts"].output)
    assert sum(one["count"] for one in told) == len(made.lines(500, 10))


def test_flink_wants_a_kafka_and_says_how(data: str) -> None:
    done = RUN.invoke(app, ["stream", "patterns", "--engine", "flink", "--data", data])
    assert isinstance(done.exception, UsageError)
    assert "guiyi kafka up" in str(done.exception)


def test_an_unknown_engine_is_told(data: str) -> None:
    done = RUN.invoke(app, ["stream", "tags", "--engine", "spark", "--data", data])
    assert isinstance(done.exception, NotFoundError)


def test_definitions_are_sent_and_removed(data: str) -> None:
    done = RUN.invoke(
        app, ["stream", "define", "patterns", "--remove", "cart_left", "--data", data]
    )
    assert done.exit_code == 0, done.output
    assert "cart_left: removed" in done.stdout
    assert RUN.invoke(app, ["stream", "patterns", "--data", data]).exit_code == 0
    told = made.said(opened(f"{data}/topics"), KINDS["patterns"].output)
    assert "cart_left" not in {one["pattern"] for one in told}
