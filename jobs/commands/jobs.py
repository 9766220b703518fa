"""``guiyi job``: what a scheduler calls; every job keeps one contract."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs import graph, registry, settings, show
from jobs.dates import chosen
from jobs.lineage import Lineage
from jobs.progress import log
from jobs.registry import Call, Job
from jobs.run import new_run_id, recorded
from jobs.show import DataOption, Format, FormatOption
from lake import locks, runs
from lake.store import Lake, open_lake
from schemas.errors import NothingToDo

app = typer.Typer(help="Jobs, as cron, Airflow and Dagster call them.", no_args_is_help=True)

Day = Annotated[str | None, typer.Option("--date", help="Business date.")]
Start = Annotated[str | None, typer.Option("--start", help="First business date.")]
End = Annotated[str | None, typer.Option("--end", help="Business date after the last.")]
Engine = Annotated[str, typer.Option("--engine", help="Where the steps run.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the plan and stop.")]
Force = Annotated[bool, typer.Option("--force", help="Run although nothing has changed.")]
Restate = Annotated[bool, typer.Option("--restate", help="Publish anew, beside the old.")]
RunId = Annotated[str | None, typer.Option("--run-id", help="Name of this run; made up if absent.")]
LineageOption = Annotated[
    str, typer.Option("--lineage", help="URL or file that is told of runs, by OpenLineage.")
]
Master = Annotated[
    str,
    typer.Option("--master", envvar="GUIYI_SPARK_MASTER", help="Address of Spark's cluster."),
]
Conf = Annotated[Path | None, typer.Option("--conf", help="Folder of the definitions.")]


class Drawing(StrEnum):
    """How a graph is told."""

    TEXT = "text"
    MERMAID = "mermaid"
    DOT = "dot"
    JSON = "json"


@app.command("list")
def job_list(form: FormatOption = Format.TEXT) -> None:
    """Every job, its steps and the engines it runs on."""
    found = [
        {
            "job": job.name,
            "says": job.says,
            "steps": ", ".join(step.name for step in job.steps),
            "engines": ", ".join(job.engines),
            "after": ", ".join(job.after),
        }
        for job in registry.JOBS.values()
    ]
    show.rows("jobs", found, form)


@app.command("run")
def job_run(
    name: str,
    date_: Day = None,
    start: Start = None,
    end: End = None,
    engine: Engine = "duckdb",
    dry_run: DryRun = False,
    force: Force = False,
    restate: Restate = False,
    run_id: RunId = None,
    lineage: LineageOption = "",
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
    master: Master = "",
) -> None:
    """Run a job for one business date, or for each from --start up to --end."""
    job = registry.find(name)
    registry.check_engine(job, engine)
    told = Lineage(lineage)
    days = chosen(date_, start, end)
    lake, settled = open_lake(data), settings.read(conf)
    run_id = run_id or new_run_id()
    calls = [Call(lake, settled, day, run_id, force, restate, engine, master) for day in days]
    if dry_run:
        plans = _plans(job, calls)
        show.answer({"job": name, "plans": plans}, form, _plan_text(name, plans))
        return
    done = over(job, calls, told)
    show.answer({"job": name, "run_id": run_id, "runs": done}, form, _done_text(name, done))
    if not done:
        raise NothingToDo(f"nothing to do: {name} has published {_span(days)} already")


@app.command("backfill")
def job_backfill(
    name: str,
    start: Annotated[str, typer.Option("--start", help="First business date.")],
    end: Annotated[str, typer.Option("--end", help="Business date after the last.")],
    run_id: RunId = None,
    lineage: LineageOption = "",
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Run a job for every business date of a stretch, each at its own cut; done ones are passed."""
    job_run(
        name, None, start, end, "duckdb", False, False, False, run_id, lineage, conf, data, form
    )


@app.command("graph")
def job_graph(
    form: Annotated[
        Drawing, typer.Option("--format", help="How it is drawn; json for programs.")
    ] = Drawing.TEXT,
) -> None:
    """What depends on what: every job's steps, and the tables that they read and write."""
    jobs = registry.JOBS.values()
    drawn = {Drawing.MERMAID: graph.as_mermaid, Drawing.DOT: graph.as_dot}.get(form, graph.as_text)
    is_json = form is Drawing.JSON
    told = {"steps": list(graph.rows(jobs))}
    show.answer(told, Format.JSON if is_json else Format.TEXT, drawn(jobs))


@app.command("status")
def job_status(
    name: Annotated[str | None, typer.Argument(help="Job; all when absent.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Runs to show.")] = 20,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """The last runs: when, how long, how they ended."""
    if name:
        registry.find(name)
    found = [
        {
            "run_id": run.run_id,
            "job": run.job,
            "date": run.business_date,
            "started_at": run.started_at.replace(microsecond=0),
            "seconds": round((run.ended_at - run.started_at).total_seconds(), 1),
            "exit": run.exit_code,
            "message": run.message,
        }
        for run in runs.history(open_lake(data).root, name)[-limit:]
    ]
    show.rows("runs", found, form)


def over(job: Job, calls: list[Call], lineage: Lineage | None = None) -> list[dict[str, Any]]:
    """Run ``job`` for each call under its lock; dates already published are passed over."""
    told = lineage or Lineage()
    done = []
    for call in calls:
        try:
            with told.of(job, call):
                done.append(once(job, call))
        except NothingToDo as outcome:
            log.info("%s", str(outcome).split("\n")[0])
    return done


def once(job: Job, call: Call) -> dict[str, Any]:
    """Run ``job`` for one call under the lock of job and date, and record it."""
    lake: Lake = call.lake
    day: date = call.business_date
    with locks.exclusive(lake.root / "locks", f"{job.name}-{day}"):
        log.info("%s %s", job.name, day)
        summary = recorded(lake, job.name, day, call.run_id, lambda: job.work(call))
    return {"business_date": day, **summary}


def _plans(job: Job, calls: list[Call]) -> list[dict[str, Any]]:
    plans = []
    for call in calls:
        try:
            plans.append(registry.plain(job.plan(call)))
        except NothingToDo as outcome:
            plans.append({"business_date": call.business_date, "plan": str(outcome).split("\n")[0]})
    return plans


def _span(days: list[date]) -> str:
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _plan_text(name: str, plans: list[dict[str, Any]]) -> str:
    lines = [f"{name} would:"]
    for plan in plans:
        lines += [f"  {key}: {value}" for key, value in plan.items()] + [""]
    return "\n".join(lines)


def _done_text(name: str, done: list[dict[str, Any]]) -> str:
    return "\n".join(f"{name} {run['business_date']}: done" for run in done) or f"{name}: -"
