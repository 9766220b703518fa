"""The same patterns in Flink on a real Kafka: same matches, exactly once, other parallelism."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.counts import Counting
from domain.keyed import Keyed
from jobs import settings
from jobs.streaming import changes, hosting
from jobs.streaming.patterns import definitions
from jobs.streaming.runner import Runner, Stream
from lake.engines import flink, parts
from lake.engines.kafka import Broker
from lake.topics import Topics, opened
from schemas.errors import UsageError
from schemas.streaming import Streaming
from tests.jobs.streaming import made

pytestmark = [pytest.mark.slow, pytest.mark.prove]
LINES = made.lines(3_000, 30)
END = LINES[-1][0] + 200_000
BOUNDS = Streaming(lateness_s=made.LATENESS_S, idle_s=0.5, checkpoint_s=0.5, timers_at_s=0.05)
SECRET = b"a secret for tests only"


@pytest.fixture(autouse=True)
def _flink() -> None:
    try:
        parts.require(*parts.OF_ENGINE["flink"])
    except UsageError as error:
        pytest.skip(str(error))


class Place:
    """Topics of one test, with names that no other has, and a job in Flink over them."""

    def __init__(self, broker: Broker, folder: Path, name: str) -> None:
        self.topics: Topics = opened(broker.address)
        self.folder, self.name = folder, name
        self.stream = Stream(
            {f"{name}.events": "app_events"}, f"{name}.matches", f"{name}.changes"
        )
        self.topics.create(f"{name}.events", 4)
        self.topics.create(f"{name}.matches", 1)
        self.topics.create(f"{name}.changes", 1)
        self.servers = broker.address.removeprefix("kafka://")

    def send(self, records: list[tuple[int, bytes, bytes]]) -> None:
        made.send(self.topics, f"{self.name}.events", records)

    def said(self) -> list[dict[str, Any]]:
        return made.said(self.topics, self.stream.output)

    def job(self, parallelism: int = 1, lateness_s: int = made.LATENESS_S) -> flink.Job:
        return flink.Job(
            name=self.name, servers=self.servers, inputs=dict(self.stream.inputs),
            output=self.stream.output, definitions=definitions(made.PATTERNS),
            changes=self.stream.changes, changes_from={0: 0}, checkpoints=str(self.folder),
            restore=flink.newest(self.folder), parallelism=parallelism, lateness_s=lateness_s,
            idle_s=60, checkpoint_s=BOUNDS.checkpoint_s,
        )

    @contextmanager
    def running(
        self, job: flink.Job | None = None, kind: str = "patterns"
    ) -> Iterator[subprocess.Popen[bytes]]:
        process = hosting.started(kind, job or self.job(), SECRET, None)
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def until(self, process: subprocess.Popen[bytes], is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 400
        while not is_so():
            assert process.poll() is None, "the job ended"
            assert time.monotonic() < deadline, f"{len(self.said())} said"
            time.sleep(0.3)


@pytest.fixture
def place(broker: Broker, tmp_path: Path, request: pytest.FixtureRequest) -> Place:
    return Place(broker, tmp_path / "flink", f"t{abs(hash(request.node.name)) % 10**9}")


def in_process(
    tmp_path: Path, lines: list[tuple[int, bytes, bytes]],
    keyed: Keyed[Any, Any, Any] | None = None, bounds: Streaming = BOUNDS,
) -> list[dict[str, Any]]:
    """What the in-process runner says of the same lines, over topics of files."""
    topics = opened(str(tmp_path / "topics"))
    stream = Stream({"events.app_events": "app_events"}, "matches", "changes")
    for name, partitions in (("events.app_events", 4), ("matches", 1), ("changes", 1)):
        topics.create(name, partitions)
    made.send(topics, "events.app_events", lines)
    found = {} if keyed else definitions(made.PATTERNS)
    step = keyed or made.keyed()
    Runner(step, topics, stream, tmp_path / "checkpoint", bounds, found).run(
        lambda: False, is_endless=False
    )
    return made.said(topics, "matches")


ALL = [*LINES, *made.closing(END)]


def test_flink_says_what_the_process_says(place: Place, tmp_path: Path) -> None:
    expected = in_process(tmp_path, ALL)
    place.send(ALL)
    with place.running() as process:
        place.until(process, lambda: len(place.said()) >= len(expected))
    assert place.said() == expected


@pytest.mark.prove
def test_killed_and_restored_it_has_said_what_an_undisturbed_run_says(
    place: Place, tmp_path: Path
) -> None:
    expected = in_process(tmp_path, ALL)
    place.send(LINES[:1500])
    with place.running() as process:
        place.until(process, lambda: bool(place.said()) and bool(flink.newest(place.folder)))
        place.send(LINES[1500:2500])
        time.sleep(0.7)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    before = place.said()
    assert 0 < len(before) < len(expected)
    place.send([*LINES[2500:], *made.closing(END)])
    with place.running() as process:
        place.until(process, lambda: len(place.said()) >= len(expected))
        time.sleep(2)
    assert place.said() == expected


@pytest.mark.prove
def test_stopped_with_a_savepoint_it_goes_on_in_two_parts(place: Place, tmp_path: Path) -> None:
    expected = in_process(tmp_path, ALL)
    place.send(LINES[:1500])
    with place.running() as process:
        place.until(process, lambda: bool(place.said()))
        assert hosting.stopped(process) == 0
    assert "savepoint" in flink.newest(place.folder)
    place.send([*LINES[1500:], *made.closing(END)])
    with place.running(place.job(parallelism=2)) as process:
        place.until(process, lambda: len(place.said()) >= len(expected))
        time.sleep(2)
    assert place.said() == expected


@pytest.mark.prove
def test_a_new_pattern_is_in_force_without_a_restart(place: Place) -> None:
    searched = msgspec.structs.replace(
        made.PATTERNS[2], name="searched", begins=msgspec.structs.replace(
            made.PATTERNS[2].begins, types=["products_searched"]
        ),
    )
    place.send(LINES[:1500])
    with place.running() as process:
        place.until(process, lambda: bool(place.said()))
        changes.send(place.topics, place.stream.changes, definitions([searched]), made.START)
        time.sleep(2)
        place.send([*LINES[1500:], *made.closing(END)])
        place.until(process, lambda: any(one["pattern"] == "searched" for one in place.said()))


@pytest.mark.prove
def test_sql_counts_what_the_process_counts(place: Place, tmp_path: Path) -> None:
    keyed = Counting(settings.read().sources)
    bounds = msgspec.structs.replace(BOUNDS, lateness_s=0)
    expected = in_process(tmp_path, ALL, keyed, bounds)
    place.send(ALL)
    with place.running(place.job(lateness_s=0), "counts") as process:
        place.until(process, lambda: len(place.said()) >= len(expected))
    assert place.said() == expected
