"""``guiyi run``: the whole platform over what was delivered, day by day, ending with the report."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs import registry as jobs_registry
from jobs import settings, show
from jobs.commands.jobs import Conf, over
from jobs.dates import day
from jobs.progress import log, stage
from jobs.registry import Call
from jobs.run import new_run_id
from jobs.show import DataOption, Format, FormatOption
from lake.store import Lake, open_lake
from schemas.errors import NothingToDo


def run(
    until: Annotated[
        str | None, typer.Option(help="Last business date; default: the last.")
    ] = None,
    days: Annotated[int, typer.Option(min=0, help="Dates run one by one; before, one cut.")] = 7,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Load all but the last days as one cut, then each of them as a scheduler would."""
    from jobs import release

    lake, settled = open_lake(data), settings.read(conf)
    last = day(until, "--until") if until else release.last_date(lake, settled)
    known = lake.releases()
    if known:
        start = known[-1].business_date
        dates = [start + timedelta(n) for n in range((last - start).days + 1)]
    else:
        dates = [last - timedelta(n) for n in range(days, -1, -1)]
    run_id = new_run_id()
    calls = [Call(lake, settled, one, run_id) for one in dates]
    done = []
    for call in calls:
        done += over(jobs_registry.JOBS["release"], [call])
        done += over(jobs_registry.JOBS["exports"], [call])
    path = lake.root / "report.html"
    if not done and _is_current(lake, path):
        raise NothingToDo(f"nothing to do: everything up to {last} is published; see {path}")
    _finish(lake, settled, path, done, form)


def _is_current(lake: Lake, path: Path) -> bool:
    """Whether the report was written after the newest release."""
    published = lake.release().published_at.timestamp()
    return path.exists() and path.stat().st_mtime > published


def report(data: DataOption = None, form: FormatOption = Format.TEXT, conf: Conf = None) -> None:
    """Write the report of the newest release anew."""
    lake = open_lake(data)
    _finish(lake, settings.read(conf), lake.root / "report.html", [], form)


def _finish(
    lake: Lake, settled: settings.Settings, path: Path, done: list[dict[str, Any]], form: Format
) -> None:
    from jobs import page

    with stage("report"):
        summary = page.write(lake, settled, path)
    log.debug("%d releases", len(done))
    value = {"releases": len(done), "report": str(path), **summary}
    show.answer(value, form, page.summary_text(summary, path))
