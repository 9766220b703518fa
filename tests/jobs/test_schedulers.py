"""The examples of docs/schedulers.md are of the contract; that of Dagster is run as it stands."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from jobs import registry
from lake import locks, runs
from lake.store import Lake
from tests.jobs.spark.weeks import land_weeks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "schedulers.md").read_text()
DAGSTER = Path(os.environ.get("GUIYI_SCHEDULER_PYTHON", ROOT / ".venv-scheduler/bin/python"))
DAYS = [date(2017, 12, 29), date(2017, 12, 30), date(2017, 12, 31)]
TIGHT = "known: 0.000001\ndistance: 0.000001\nmin_persons: 0\n"
"""Bounds that every real day breaks: a release that exits with 3."""
DRIVER = """
import json, sys
from dagster import DagsterInstance, materialize
import guiyi_dagster as page

done = materialize(
    [page.release, page.exports], partition_key=sys.argv[1],
    instance=DagsterInstance.ephemeral(), raise_on_error=False,
)
told = {}
for event in done.all_events:
    if event.step_key:
        told.setdefault(event.step_key, []).append(event.event_type_value)
print(json.dumps(told))
"""


def example(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.S)
    return str(found)


def test_examples_parse_and_name_jobs_that_are_there() -> None:
    for language in ("airflow", "python"):
        compile(example(language), language, "exec")
    named = set(re.findall(r"job run ([a-z_]+)", PAGE))
    assert {"release", "exports"} <= named <= {*registry.JOBS}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A folder with the page's code, a driver, and definitions of its own."""
    if not DAGSTER.exists():
        pytest.skip("the environment of the scheduler is absent: `make scheduler` makes it")
    (tmp_path / "guiyi_dagster.py").write_text(example("python"))
    (tmp_path / "driver.py").write_text(DRIVER)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    return tmp_path


def started(shop: Path, lake: Lake, day: date) -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(shop), str(ROOT)])
    call = f"env PYTHONPATH={paths} {sys.executable} -m jobs.cli"
    return subprocess.Popen(
        [str(DAGSTER), "driver.py", str(day)], cwd=shop, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {
            "GUIYI": call, "GUIYI_DATA": str(lake.root), "GUIYI_FIRST": str(DAYS[0]),
            "GUIYI_RETRY_S": "1", "PYTHONPATH": str(shop), "DAGSTER_HOME": "",
        },
    )


def ended(run: subprocess.Popen[str]) -> dict[str, list[str]]:
    out, said = run.communicate(timeout=500)
    assert run.returncode == 0, said
    told: dict[str, list[str]] = json.loads(out.splitlines()[-1])
    return told


@pytest.mark.prove
def test_dagster_backfills_three_days_retries_busy_and_stops_at_bad_data(shop: Path) -> None:
    lake = land_weeks(shop / "lake")
    told = ended(started(shop, lake, DAYS[0]))
    assert [one[-1] for one in told.values()] == ["STEP_SUCCESS", "STEP_SUCCESS"]

    with locks.exclusive(lake.root / "locks", f"release-{DAYS[1]}"):
        run = started(shop, lake, DAYS[1])
        assert run.stderr is not None
        while "exit 75" not in run.stderr.readline():
            assert run.poll() is None
    told = ended(run)
    assert "STEP_UP_FOR_RETRY" in told["release"]
    assert [one[-1] for one in told.values()] == ["STEP_SUCCESS", "STEP_SUCCESS"]

    (shop / "conf" / "base" / "tag_bounds.yml").write_text(TIGHT)
    told = ended(started(shop, lake, DAYS[2]))
    assert told["release"][-1] == "STEP_FAILURE"
    assert "exports" not in told
    assert lake.release().business_date == DAYS[1]
    history = [(run.job, run.business_date, run.exit_code) for run in runs.history(lake.root)]
    assert history == [
        ("release", DAYS[0], 0), ("exports", DAYS[0], 0),
        ("release", DAYS[1], 0), ("exports", DAYS[1], 0), ("release", DAYS[2], 3),
    ]
