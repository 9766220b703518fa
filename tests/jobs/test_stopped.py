"""A job that is stopped with Ctrl-C, or started twice, says so and leaves a whole lake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lake.store import Lake
from schemas.errors import NotFoundError
from tests.jobs.spark.weeks import land_weeks
from tests.lakes import LAST, contents, same_landing

MOMENTS = ("release 2017-12-31", "identity:", "tags:")
"""What the log of a release says just before Ctrl-C: at its begin, and between its steps."""
PROMPT_S = 20.0
"""It takes about a second; a machine that is full takes longer."""


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return land_weeks(tmp_path_factory.mktemp("weeks") / "lake")


def started(lake: Lake) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "job", "run", "release", "--date", str(LAST)],
        env=os.environ | {"PYTHONPATH": str(Path.cwd()), "GUIYI_DATA": str(lake.root)},
        stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )


def wait_for(run: subprocess.Popen[str], words: str) -> None:
    assert run.stderr is not None
    said = ""
    for line in run.stderr:
        said += line
        if words in line:
            return
    raise AssertionError(f"it never said {words!r}:\n{said}")


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_ends_a_release_in_seconds_and_nothing_half_done_is_seen(
    landed: Lake, tmp_path: Path, moment: str
) -> None:
    lake = same_landing(landed, tmp_path / "lake")
    run = started(lake)
    wait_for(run, moment)
    time.sleep(0.3)
    run.send_signal(signal.SIGINT)
    asked = time.monotonic()
    _, said = run.communicate(timeout=120)
    assert time.monotonic() - asked < PROMPT_S
    assert run.returncode == 130, said
    assert said.strip().splitlines()[-1] == (
        "error: stopped; nothing half done is visible, run again to go on"
    )
    assert "Traceback" not in said
    with pytest.raises(NotFoundError):
        lake.release()


@pytest.mark.slow
def test_of_two_copies_of_a_job_one_works_and_the_other_says_busy(
    landed: Lake, tmp_path: Path
) -> None:
    stopped = same_landing(landed, tmp_path / "stopped")
    cut_short = started(stopped)
    wait_for(cut_short, "identity:")
    cut_short.send_signal(signal.SIGINT)
    cut_short.communicate(timeout=120)
    first = started(stopped)
    wait_for(first, "release 2017-12-31")
    second = started(stopped)
    _, said = second.communicate(timeout=200)
    _, first_said = first.communicate(timeout=200)
    assert (first.returncode, second.returncode) == (0, 75), first_said + said
    assert said.startswith("error: another run") or "another" in said
    alone = same_landing(landed, tmp_path / "alone")
    whole = started(alone)
    whole.communicate(timeout=200)
    assert whole.returncode == 0
    assert contents(stopped) == contents(alone)
