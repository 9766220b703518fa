"""A release on Spark is that of DuckDB: every table, every column, ids included."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jobs import settings
from jobs.engines import Engine
from jobs.release import publish
from jobs.run import clock
from jobs.spark.engine import engine
from lake.engines.spark import SparkCluster
from lake.store import Lake, open_lake
from tests.jobs.spark.weeks import land_weeks
from tests.lakes import contents, guiyi, last_days, same_landing

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return land_weeks(tmp_path_factory.mktemp("weeks") / "data")


def test_a_first_load_and_one_more_day_give_the_tables_of_duckdb(
    landed: Lake, spark_cluster: SparkCluster, tmp_path: Path
) -> None:
    settled, on_spark = settings.read(), engine(spark_cluster)
    lakes = {"duckdb": same_landing(landed, tmp_path / "a")}
    lakes["spark"] = same_landing(landed, tmp_path / "b")
    for name, lake in lakes.items():
        for day in last_days(2):
            used = on_spark if name == "spark" else Engine("duckdb")
            publish(lake, settled, day, "test", clock, engine=used)
    for day in last_days(2):
        here, there = (contents(lake, day) for lake in lakes.values())
        assert [name for name in here if here[name] != there[name]] == []
        for table in ("events", "partials", "person_measures", "persons", "raw_components"):
            assert here[table][0], table
    assert not (lakes["spark"].root / "cache" / "spill" / "scratch").exists()


def test_a_missing_part_is_said_before_the_job_starts(
    landed: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = same_landing(landed, tmp_path / "c")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    ran = guiyi("job", "run", "release", "--date", "2017-12-30", "--engine", "spark",
                data=lake.root)
    assert ran.returncode == 2
    assert "java 17" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (lake.root / "tables").exists()


@pytest.mark.prove
def test_ctrl_c_ends_within_seconds_and_leaves_a_whole_lake(landed: Lake, tmp_path: Path) -> None:
    lake = same_landing(landed, tmp_path / "d")
    command = [sys.executable, "-m", "jobs.cli", "job", "run", "release", "--date", "2017-12-30"]
    run = subprocess.Popen(
        [*command, "--engine", "spark"], stderr=subprocess.PIPE, text=True,
        env=os.environ | {"GUIYI_DATA": str(lake.root), "PYTHONPATH": os.getcwd()},
    )
    assert run.stderr is not None
    said = ""
    for line in run.stderr:
        said += line
        if re.search(r"ingest \d+ files", line) or run.poll() is not None:
            break
    # Into the work of the workers.
    time.sleep(4)
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    said += run.communicate(timeout=60)[1]
    assert time.monotonic() - began < 30
    assert run.returncode == 130, said
    assert "stopped; nothing half done is visible" in said
    assert open_lake(lake.root).releases() == []
