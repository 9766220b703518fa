"""The jobs that a scheduler can call, each with its steps, what it writes and how it runs.

What a job needs is imported when it runs, so that looking at the lake starts at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date
from typing import Any

from jobs import run, steps
from jobs.settings import Settings
from jobs.steps import JobStep
from lake.engines import parts
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
    engine: str = "duckdb"
    master: str = ""
    """Address of the cluster that the engine works on; this machine when empty."""


@dataclass(frozen=True, slots=True)
class Job:
    """One schedulable unit; ``work`` returns the summary, ``plan`` says what it would do."""

    name: str
    says: str
    steps: tuple[JobStep, ...]
    work: Callable[[Call], dict[str, Any]]
    plan: Callable[[Call], dict[str, Any]]
    engines: tuple[str, ...] = ("duckdb",)
    after: tuple[str, ...] = ()
    """Jobs that have to be done for the date before."""


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
    """UsageError when ``job`` does not run on ``engine``, or a part that it needs is missing."""
    if engine not in job.engines:
        raise UsageError(
            f"the job {job.name} does not run on {engine}",
            expected="one of " + ", ".join(job.engines),
            got=engine,
            where="--engine",
        )
    parts.require(*parts.OF_ENGINE.get(engine, ()))


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
    from jobs import engines, rebuild, release
    from jobs.privacy import erase

    erase.finish(call.lake, call.settings, call.run_id, run.clock)
    base = (call.lake, call.settings, call.business_date, call.run_id, run.clock)
    place = {}
    with engines.opened(call.engine, call.master) as engine:
        if call.restate:
            lake, outcome = rebuild.rebuild(*base, engine=engine)
            place = {"restated_in": str(lake.root)}
        else:
            outcome = release.publish(*base, force=call.force, engine=engine)
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
        "steps": [step.name for step in JOBS["release"].steps],
    }


def _exports(call: Call) -> dict[str, Any]:
    from jobs import exports

    return {"exports": exports.publish(call.lake, call.settings, call.business_date)}


def _exports_plan(call: Call) -> dict[str, Any]:
    return {"exports": [export.name for export in call.settings.exports]}


def _upkeep(call: Call) -> dict[str, Any]:
    from jobs.topics import upkeep

    return upkeep.upkeep(call.lake, call.settings, run.clock())


def _upkeep_plan(call: Call) -> dict[str, Any]:
    from jobs.topics import upkeep

    return upkeep.plan(call.lake, call.settings)


JOBS: dict[str, Job] = {
    job.name: job
    for job in (
        Job(
            "release",
            "everything delivered before the cut becomes one release of all tables",
            (
                steps.INGEST, steps.IDENTITY, steps.PARTIALS, steps.MODEL_SCORES,
                steps.TAG_VALUES, steps.AUDIENCE_MEMBERS,
            ),
            _release,
            _release_plan,
            ("duckdb", "spark", "beam"),
        ),
        Job(
            "exports",
            "files of each audience for downstream systems, by their recipes",
            (steps.EXPORTS,),
            _exports,
            _exports_plan,
            after=("release",),
        ),
        Job(
            "landing_upkeep",
            "landed records kept small: what releases have dropped, files brought together, swept",
            (steps.UPKEEP,),
            _upkeep,
            _upkeep_plan,
            after=("release",),
        ),
    )
}
