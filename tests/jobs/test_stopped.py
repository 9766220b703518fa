"""A job that is stopped with Ctrl-C, or started twice, says so and leaves a whole lake."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lake import runs
from lake.store import Lake
from schemas.errors import NotFoundError
from tests.jobs.spark.weeks import land_weeks
from tests.lakes import LAST, contents, same_landing

MOMENTS = ("release 2017-12-31", "ingest ", "identity:", "tags:", "models:")
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


def stopped(lake: Lake, moment: str) -> None:
    """Start a release and stop it at a moment: it ends promptly, says so, and shows nothing."""
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
    assert runs.history(lake.root)[-1].exit_code == 130
    with pytest.raises(NotFoundError):
        lake.release()


@pytest.mark.prove
def test_after_ctrl_c_one_of_two_copies_goes_on_and_the_other_says_busy(
    landed: Lake, tmp_path: Path
) -> None:
    lake = same_landing(landed, tmp_path / "lake")
    stopped(lake, "identity:")
    first = started(lake)
    wait_for(first, "release 2017-12-31")
    second = started(lake)
    _, said = second.communicate(timeout=300)
    _, first_said = first.communicate(timeout=300)
    assert (first.returncode, second.returncode) == (0, 75), first_said + said
    assert "error: another run holds release-2017-12-31" in said
    assert [release.business_date for release in lake.releases()] == [LAST]


@pytest.mark.prove
def test_a_release_stopped_at_every_moment_ends_with_the_tables_of_one_left_alone(
    landed: Lake, tmp_path: Path
) -> None:
    lake, alone = (same_landing(landed, tmp_path / name) for name in ("stopped", "alone"))
    for moment in MOMENTS:
        stopped(lake, moment)
    for one in (lake, alone):
        run = started(one)
        _, said = run.communicate(timeout=300)
        assert run.returncode == 0, said
    assert contents(lake) == contents(alone)
