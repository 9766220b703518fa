"""The jobs that a scheduler can call, each with its steps, what it writes and how it runs.

What a job needs is imported when it runs, so that looking at the lake starts at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date
from typing import Any

from jobs import run
from jobs.settings import Settings
from lake.store import Lake
from schemas.errors import NotFoundError, UsageError


@dataclass(frozen=True, slots=True)
class Call:
    """How a job was called."""

    lake: Lake
    settings: Settings
    business_date: date
    run_id: str
    force: bool = False
    restate: bool = False


@dataclass(frozen=True, slots=True)
class Job:
    """One schedulable unit; ``work`` returns the summary, ``plan`` says what it would do."""

    name: str
    says: str
    steps: tuple[str, ...]
    work: Callable[[Call], dict[str, Any]]
    plan: Callable[[Call], dict[str, Any]]
    engines: tuple[str, ...] = ("duckdb",)


def find(name: str) -> Job:
    """The job called ``name``."""
    if name in JOBS:
        return JOBS[name]
    raise NotFoundError(
        f"there is no job {name!r}",
        expected="one of " + ", ".join(JOBS),
        got=name,
        todo="see `guiyi job list`",
    )


def check_engine(job: Job, engine: str) -> None:
    """UsageError when ``job`` does not run on ``engine``."""
    if engine not in job.engines:
        raise UsageError(
            f"the job {job.name} does not run on {engine}",
            expected="one of " + ", ".join(job.engines),
            got=engine,
            where="--engine",
        )


def plain(value: Any) -> Any:
    """``value`` with dataclasses as dictionaries, for JSON."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def _release(call: Call) -> dict[str, Any]:
    from jobs import rebuild, release
    from jobs.privacy import erase

    erase.finish(call.lake, call.settings, call.run_id, run.clock)
    if call.restate:
        lake, outcome = rebuild.rebuild(
            call.lake, call.settings, call.business_date, call.run_id, run.clock
        )
        place = {"restated_in": str(lake.root)}
    else:
        outcome = release.publish(
            call.lake, call.settings, call.business_date, call.run_id, run.clock, force=call.force
        )
        place = {}
    number = outcome.release.release_no if outcome.release else None
    return {"release": number, **place, **plain(outcome.figures)}


def _release_plan(call: Call) -> dict[str, Any]:
    from jobs import release

    planned = release.plan(
        call.lake, call.settings, call.business_date, run.clock(), force=call.force
    )
    by_source: dict[str, int] = {}
    for delivery in planned.fresh:
        by_source[delivery.source] = by_source.get(delivery.source, 0) + 1
    return {
        "business_date": planned.business_date,
        "cut": planned.cut,
        "files": by_source,
        "after_release": planned.parent.release_no if planned.parent else None,
        "steps": list(JOBS["release"].steps),
    }


def _exports(call: Call) -> dict[str, Any]:
    from jobs import exports

    return {"exports": exports.publish(call.lake, call.settings, call.business_date)}


def _exports_plan(call: Call) -> dict[str, Any]:
    return {"exports": [export.name for export in call.settings.exports]}


JOBS: dict[str, Job] = {
    job.name: job
    for job in (
        Job(
            "release",
            "everything delivered before the cut becomes one release of all tables",
            ("ingest", "identity", "partials", "model_scores", "tag_values", "audience_members"),
            _release,
            _release_plan,
        ),
        Job(
            "exports",
            "files of each audience for downstream systems, by their recipes",
            ("members", "consent", "files", "manifest"),
            _exports,
            _exports_plan,
        ),
    )
}
