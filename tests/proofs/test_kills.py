"""Soak: a year and two days, killed again and again at random moments, ends as if undisturbed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lake.store import Lake
from tests.lakes import contents, last_days, run_job, same_landing

KILLS = 12
"""Tries a date, each killed unless it ends before."""


@pytest.mark.prove
def test_random_kills_lose_nothing_and_show_no_half_release(
    sample_lake: Lake, tmp_path: Path
) -> None:
    lake = same_landing(sample_lake, tmp_path / "data")
    chance, killed = random.Random(1), 0
    for day, longest in zip(last_days(3), (40, 12, 12), strict=True):
        for _ in range(KILLS):
            before = contents(lake) if lake.releases() else {}
            code = _run(lake, day.isoformat(), chance.uniform(1, longest))
            assert code in (0, 99, -signal.SIGKILL)
            killed += code == -signal.SIGKILL
            published = lake.releases()
            if published and published[-1].business_date < day:
                assert contents(lake) == before
        assert _run(lake, day.isoformat(), None) in (0, 99)
        assert contents(lake, day) == contents(sample_lake, day)
    assert killed >= KILLS


def _run(lake: Lake, day: str, kill_after_s: float | None) -> int:
    """Run the job of a date in its own process group, killed after a while; its exit code."""
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    call = [sys.executable, "-m", "jobs.cli", "job", "run", "release", "--date", day]
    process = subprocess.Popen(
        [*call, "--data", str(lake.root)],
        env=env,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + (kill_after_s or 600)
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


@pytest.mark.prove
def test_a_run_that_lost_every_race_for_the_lock_comes_back_with_75(
    sample_lake: Lake, tmp_path: Path
) -> None:
    lake = same_landing(sample_lake, tmp_path / "data")
    run_job(lake, "release", last_days(2)[:1])
    day = last_days(1)[0].isoformat()
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    call = [sys.executable, "-m", "jobs.cli", "job", "run", "release", "--date", day]
    both = [
        subprocess.Popen([*call, "--data", str(lake.root)], env=env, stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    codes = sorted(process.wait() for process in both)
    assert codes[0] == 0
    assert set(codes[1:]) <= {75, 99}
    assert [r.business_date.isoformat() for r in lake.releases()].count(day) == 1
