"""What every job has in common: a run id, a record in the history, an exit code, a summary."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from lake import runs
from lake.store import Lake
from schemas.errors import GuiyiError, NothingToDo

STOPPED = 130
"""Exit code of a Ctrl-C."""


def is_stop(error: BaseException) -> bool:
    """Whether it is a Ctrl-C, also as DuckDB tells one that meets it in a query."""
    is_told = isinstance(error, RuntimeError) and str(error) == "Query interrupted"
    return is_told or isinstance(error, KeyboardInterrupt | duckdb.InterruptException)


def clock() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


def new_run_id() -> str:
    """A run id that sorts by time."""
    return f"{clock():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


def recorded(
    lake: Lake, job: str, day: date | None, run_id: str, work: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """Do ``work`` and record how it ended; errors are recorded and raised again."""
    started = clock()
    unfinished = "did not end: it runs still, or was killed"
    runs.record(lake.root, runs.Run(run_id, job, day, started, started, -1, unfinished))

    def note(code: int, message: str, summary: Mapping[str, Any]) -> None:
        run = runs.Run(run_id, job, day, started, clock(), code, message, dict(summary))
        runs.record(lake.root, run)

    try:
        summary = dict(work())
    except NothingToDo as outcome:
        note(outcome.exit_code, str(outcome).split("\n")[0], {})
        raise
    except BaseException as error:
        if is_stop(error):
            note(STOPPED, "stopped", {})
            raise
        code = error.exit_code if isinstance(error, GuiyiError) else 1
        note(code, str(error).split("\n")[0] or type(error).__name__, {})
        raise
    note(0, "done", summary)
    return summary
