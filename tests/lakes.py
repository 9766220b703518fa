"""Small lakes of the sample world for tests, and what they hold, so that two can be compared."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from domain.dates import cut
from jobs import registry, settings
from jobs.commands.jobs import over
from jobs.registry import Call
from lake.store import Lake, open_lake
from pipelines import world
from schemas import catalog

LAST = date(2017, 12, 31)


def land_world(
    root: Path, households: int | None, traps: world.Traps = "basic", seed: int = 1
) -> Lake:
    """A lake whose landing holds the world of the first ``households``, or all, and its truth."""
    lake = open_lake(root, create=True)
    made = world.generate(seed=seed, traps=traps, households=households)
    programme = settings.read().programme
    end = cut(LAST, programme.zone, programme.cut_hours)
    lake.landing.receive(file for file in made.files if file.delivered_at < end)
    (root / "truth").mkdir()
    for name, table in made.truth.items():
        pq.write_table(table, root / "truth" / f"{name}.parquet")
    return lake


def same_landing(lake: Lake, root: Path) -> Lake:
    """An empty lake over the landing of another."""
    root.mkdir(parents=True)
    (root / "landing").symlink_to(lake.landing.root)
    return Lake(root)


def run_job(lake: Lake, job: str, days: list[date]) -> list[dict[str, Any]]:
    """Run a job in this process for each date."""
    settled = settings.read()
    return over(registry.find(job), [Call(lake, settled, day, "test") for day in days])


def last_days(count: int) -> list[date]:
    """The last ``count`` dates of the world."""
    return [LAST - timedelta(n) for n in range(count - 1, -1, -1)]


def contents(
    lake: Lake, as_of: date | int | None = None, leave_out: tuple[str, ...] = ()
) -> dict[str, tuple[object, ...]]:
    """Rows and an order-independent fingerprint of every table of a release."""
    found = {}
    with lake.reader(as_of) as session:
        for name in catalog.TABLES:
            if name != "releases" and name not in leave_out:
                query = (
                    "SELECT count(*), coalesce(sum(hash(CAST(t AS VARCHAR))::HUGEINT), 0) "
                    f'FROM "{name}" t'
                )
                (found[name],) = session.rows(query)
    return found


def guiyi(
    *arguments: str, data: Path | None = None, crash_at: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    env.pop("GUIYI_CRASH_AT", None)
    if data is not None:
        env["GUIYI_DATA"] = str(data)
    if crash_at:
        env["GUIYI_CRASH_AT"] = crash_at
    return subprocess.run(
        [sys.executable, "-m", "jobs.cli", *arguments],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
    )
