"""The whole way at high speed: a landing is sent into topics as if its events came now.

Landers land it, the releases are those of ``guiyi run``, and streaming jobs count events and find
what was left undone meanwhile. Every part is a process of its own, as in production.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec

from domain.dates import cut
from jobs import registry, release
from jobs.commands.jobs import over
from jobs.registry import Call
from jobs.settings import Settings
from jobs.streaming.kinds import KINDS
from jobs.topics.feed import create, feed, files_of
from jobs.topics.land import lag
from jobs.topics.place import topics_of
from lake.store import Lake
from lake.topics import Topics
from schemas import catalog
from schemas.errors import GuiyiError, NotYetError, UnreachableError

LANDED_WITHIN_S = 300.0
QUIET_S = 8.0
"""Streaming jobs that have said nothing new for so long have said what there is to say."""
STOP_S = 150.0
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Seen:
    """What has happened so far."""

    fed: int = 0
    landed: int = 0
    files: int = 0
    releases: list[date] = field(default_factory=list)
    said: dict[str, int] = field(default_factory=dict)
    """Records by streaming job, markers of transactions left out."""
    counted: int = 0
    """Sum of the live counts."""
    doing: str = ""


Shown = Callable[[Seen], None]


def run(
    origin: Lake, lake: Lake, settings: Settings, dates: Sequence[date], run_id: str, *,
    engine: str, kinds: Sequence[str], landers: int, shown: Shown,
) -> Seen:
    """Send the landing of ``origin`` through the topics of ``lake``, releasing each of ``dates``.

    ``shown`` is told every second. GuiyiError when a part ends that should go on.
    """
    seen, over_with = Seen(), threading.Event()
    topics = topics_of(lake, settings)
    create(topics, settings)
    for kind in kinds:
        topics.create(KINDS[kind].output, 1)
    with ExitStack() as held:
        held.callback(topics.close)
        parts = [f"topic land --follow --worker {n + 1}/{landers}" for n in range(landers)]
        parts += [f"stream {kind} --engine {engine} --follow" for kind in kinds]
        running = [held.enter_context(_part(lake, part.split())) for part in parts]
        watcher = threading.Thread(
            target=_watch, args=(lake, settings, kinds, seen, shown, over_with), daemon=True
        )
        watcher.start()
        held.callback(watcher.join, 10.0)
        held.callback(over_with.set)
        before = _LONG_AGO
        for day in dates:
            at = cut(day, settings.programme.zone, settings.programme.cut_hours)
            seen.doing = f"feeding what was received before {at:%Y-%m-%d %H:%M} UTC"
            _feed(origin, lake, topics, settings, seen, before, at, running)
            seen.doing = f"landing and releasing {day}"
            _release(Call(lake, settings, day, run_id), running)
            seen.releases.append(day)
            before = at
        seen.doing = "waiting for the streaming jobs to come to rest"
        _rest(seen, running)
        seen.doing = "done"
    return seen


@contextmanager
def _part(lake: Lake, arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the command line, told to stop at the end and waited for."""
    log = lake.root / "logs" / f"{'-'.join(arguments[:2])}-{arguments[-1].replace('/', 'of')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobs.cli", *arguments, "--data", str(lake.root)],
            stdout=out, stderr=out,
            start_new_session=True,
        )
    process_args = " ".join(arguments)
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        if process.poll() is None:
            process.kill()
            raise UnreachableError(f"guiyi {process_args} did not stop", where=str(log))


def _feed(
    origin: Lake, lake: Lake, topics: Topics, settings: Settings, seen: Seen,
    after: datetime, before: datetime, running: Sequence[subprocess.Popen[bytes]],
) -> None:
    fed, files = seen.fed, seen.files

    def noted(so_far: Any) -> None:
        seen.fed = fed + sum(so_far.records.values())
        seen.files = files + so_far.files
        _require_alive(running)

    noted(feed(files_of(origin.landing, after, before), topics, settings, lake.landing, noted))


def _release(call: Call, running: Sequence[subprocess.Popen[bytes]]) -> None:
    """Release as soon as the landers have come up to the cut."""
    deadline = time.monotonic() + LANDED_WITHIN_S
    while True:
        _require_alive(running)
        try:
            over(registry.JOBS["release"], [call])
            over(registry.JOBS["exports"], [call])
            return
        except NotYetError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def _rest(seen: Seen, running: Sequence[subprocess.Popen[bytes]]) -> None:
    before, since = dict(seen.said), time.monotonic()
    while time.monotonic() - since < QUIET_S:
        _require_alive(running)
        time.sleep(0.5)
        if seen.said != before:
            before, since = dict(seen.said), time.monotonic()


def _require_alive(running: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in running:
        if process.poll() is not None:
            assert isinstance(process.args, list)
            raise GuiyiError(
                "a part ended that should go on", expected="a process that runs",
                got=f"exit {process.returncode} of guiyi {' '.join(map(str, process.args[3:]))}",
                todo="its log lies in the folder logs of the lake",
            )


def _watch(
    lake: Lake, settings: Settings, kinds: Sequence[str], seen: Seen, shown: Shown,
    over_with: threading.Event,
) -> None:
    topics = topics_of(lake, settings)
    readers = {
        kind: topics.reader(KINDS[kind].output, {0: 0}) for kind in kinds
    }
    while not over_with.wait(1.0):
        # A part that is not there yet is looked at again in a second.
        with suppress(GuiyiError):
            seen.landed = sum(one.next for one in lag(lake, settings))
            for kind, reader in readers.items():
                while records := reader.read(10_000, 0.0):
                    seen.said[kind] = seen.said.get(kind, 0) + len(records)
                    if kind == "counts":
                        seen.counted += sum(_count(record.value or b"{}") for record in records)
        shown(seen)
    for reader in readers.values():
        reader.close()
    topics.close()


def _count(value: bytes) -> int:
    return int(msgspec.json.decode(value).get("count", 0))


def dates_of(origin: Lake, settings: Settings, days: int) -> list[date]:
    """The dates that ``guiyi run`` would release: all but the last ``days`` as one cut."""
    last = release.last_date(origin, settings)
    return [last - timedelta(n) for n in range(days, -1, -1)]


def differences(here: Lake, there: Lake) -> dict[str, tuple[int, int]]:
    """Tables of the newest releases that differ: rows only here, rows only there.

    Where rows came in is left out: files and lines are those of the way they took.
    """
    ours, theirs = _fingerprints(here), _fingerprints(there)
    return {
        name: (rows[0], theirs[name][0]) for name, rows in ours.items() if rows != theirs[name]
    }


def _fingerprints(lake: Lake) -> dict[str, tuple[int, int]]:
    """By table the count of its rows, and a sum over them that tells sets of rows apart."""
    found = {}
    with lake.reader() as session:
        for name in catalog.TABLES:
            if name in ("releases", "deliveries"):
                continue
            ((count, total),) = session.rows(
                "SELECT count(*), coalesce(sum(hash(CAST(t AS VARCHAR))::HUGEINT), 0) FROM "
                f"(SELECT COLUMNS(c -> c NOT IN ('file', 'line')) FROM \"{name}\") AS t"
            )
            found[name] = (int(str(count)), int(str(total)))
    return found
