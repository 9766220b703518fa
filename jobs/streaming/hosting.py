"""Starts a streaming job: in this process, or in Flink by a process of the second environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

import jobs
from jobs.settings import Settings
from jobs.streaming.changes import Changes
from jobs.streaming.checkpoints import Checkpoint
from jobs.streaming.kinds import KINDS, inputs
from jobs.streaming.runner import Counts, Runner, Stream
from jobs.topics.place import address_of, topics_of
from lake import locks
from lake.engines import flink, parts
from lake.store import Lake
from lake.topics import Topics
from schemas.errors import GuiyiError, NotFoundError, UsageError

ENGINES = ("local", "flink")
STOP_S = 120.0


@contextmanager
def ready(lake: Lake, settings: Settings, name: str) -> Iterator[tuple[Topics, Stream]]:
    """The topics of the job ``name``, those that it writes made; one copy of it runs at a time."""
    kind = KINDS[name]
    with locks.exclusive(lake.root / "locks", f"stream-{name}"):
        topics = topics_of(lake, settings)
        try:
            found = inputs(settings, set(topics.names()))
            if not found:
                raise NotFoundError(
                    "no topic of events is there yet", got="none",
                    expected="one of " + ", ".join(one.name for one in settings.topics.topics),
                    todo="`guiyi topic create` makes them",
                )
            topics.create(kind.output, 1)
            topics.create(kind.changes, 1)
            yield topics, Stream(found, kind.output, kind.changes)
        finally:
            topics.close()


def local(lake: Lake, settings: Settings, name: str, *, is_endless: bool) -> Counts:
    """Run the job in this process up to the end of the topics, or until it is told to stop."""
    kind, over = KINDS[name], threading.Event()
    with ready(lake, settings, name) as (topics, stream), _told(over):
        path = lake.root / "streams" / name / "checkpoint"
        keyed = kind.keyed(settings, lake.identifier_secret())
        runner = Runner(
            keyed, topics, stream, path, kind.bounds(settings), kind.begun_with(settings)
        )
        try:
            return runner.run(over.is_set, is_endless=is_endless)
        finally:
            runner.close()


def in_flink(
    lake: Lake, settings: Settings, name: str, *, parallelism: int, conf: Path | None
) -> None:
    """Run the job in Flink until it is told to stop; it goes on from its newest checkpoint.

    UsageError without the second environment or without Kafka, GuiyiError when the job fails.
    """
    address = address_of(lake, settings)
    if not address.startswith("kafka://"):
        raise UsageError(
            "Flink reads topics of a Kafka", expected="kafka://HOST:PORT", got=address,
            todo="set GUIYI_TOPICS (`guiyi kafka up` runs one), or leave --engine flink away",
        )
    parts.require(*parts.OF_ENGINE["flink"])
    with ready(lake, settings, name) as (topics, stream):
        checkpoints = lake.root / "streams" / name / "flink"
        job = planned(name, settings, topics, stream, checkpoints, parallelism)
        code = waited(started(name, job, lake.identifier_secret(), conf))
    if code != 0:
        raise GuiyiError(
            f"the Flink job {name} failed", expected="exit 0", got=f"exit {code}",
            todo="its last lines are above; started again it goes on from its newest checkpoint",
        )


def planned(
    name: str, settings: Settings, topics: Topics, stream: Stream, checkpoints: Path,
    parallelism: int = 1, restore: str | None = None,
) -> flink.Job:
    """The job for Flink, from its newest checkpoint where ``restore`` names no other."""
    kind, bounds = KINDS[name], KINDS[name].bounds(settings)
    before: Checkpoint[Any] = Checkpoint(definitions=kind.begun_with(settings))
    changes = Changes(topics, stream.changes, before)
    while changes.have_come():
        pass
    job = flink.Job(
        name=name, servers=str(getattr(topics, "servers", "")), inputs=dict(stream.inputs),
        output=stream.output, definitions=changes.definitions, changes=stream.changes,
        changes_from=changes.positions(), checkpoints=str(checkpoints.absolute()),
        restore=flink.newest(checkpoints) if restore is None else restore,
        parallelism=parallelism, lateness_s=bounds.lateness_s, idle_s=bounds.idle_s,
        checkpoint_s=bounds.checkpoint_s, properties=settings.topics.kafka,
    )
    changes.close()
    return job


def started(name: str, job: flink.Job, secret: bytes, conf: Path | None) -> subprocess.Popen[bytes]:
    """A process of the second environment that runs ``job``; its own group, so that it alone is
    told to stop."""
    root = Path(jobs.__file__).parents[1]
    python = parts.flink_python()
    installed = next((python.parent.parent / "lib").glob("python*/site-packages"))
    environment = os.environ | {
        "PYTHONPATH": f"{root}{os.pathsep}{installed}",
        "GUIYI_IDENTIFIER_SECRET": secret.decode(),
    }
    with tempfile.NamedTemporaryFile(suffix=".json", delete=False) as request:
        request.write(msgspec.json.encode(job))
    listed = [str(python), "-m", "jobs.streaming.flink_main", name, request.name]
    return subprocess.Popen(
        [*listed, *([str(conf)] if conf else [])], env=environment, stdout=sys.stderr,
        start_new_session=True,
    )


def waited(process: subprocess.Popen[bytes]) -> int:
    """The exit code of a job; told to stop, it stops with a savepoint first."""
    over = threading.Event()
    with _told(over):
        while process.poll() is None:
            if over.wait(0.2):
                return stopped(process)
    return process.returncode


def stopped(process: subprocess.Popen[bytes]) -> int:
    """Tell a job to stop with a savepoint; its exit code."""
    process.send_signal(signal.SIGTERM)
    return process.wait(STOP_S)


@contextmanager
def _told(over: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM set ``over`` instead of breaking off."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        one: signal.signal(one, lambda *_: over.set()) for one in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
