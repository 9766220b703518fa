"""The history of runs: one JSON line each, appended when a run ends however it ends."""

from __future__ import annotations

import os
from datetime import date, datetime
from pathlib import Path

import msgspec


class Run(msgspec.Struct, frozen=True):
    """One execution of a job."""

    run_id: str
    job: str
    business_date: date | None
    started_at: datetime
    ended_at: datetime
    exit_code: int
    message: str
    summary: dict[str, object] = {}


def record(root: Path, run: Run) -> None:
    """Add ``run`` to the history below ``root``."""
    path = root / "runs.jsonl"
    with open(path, "ab") as out:
        out.write(msgspec.json.encode(run) + b"\n")
        out.flush()
        os.fsync(out.fileno())


def history(root: Path, job: str | None = None) -> list[Run]:
    """Runs, oldest first, each as last recorded; a line torn by a crash is passed over."""
    path = root / "runs.jsonl"
    if not path.exists():
        return []
    found: dict[tuple[str, str, date | None], Run] = {}
    for line in path.read_bytes().split(b"\n"):
        try:
            run = msgspec.json.decode(line, type=Run)
        except msgspec.DecodeError:
            continue
        if job is None or run.job == job:
            found[(run.run_id, run.job, run.business_date)] = run
    return list(found.values())
