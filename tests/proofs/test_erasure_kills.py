"""An erasure that is killed at any named point, and run again, ends as if nothing had been."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import exports, release
from jobs.privacy import erase, receipts
from lake.store import Lake
from tests.erasable import ANN, FIRST, LAST, landed, settled
from tests.jobs.privacy.test_erase import clock, erase_ann, state

POINTS = (
    "erase.after_delivery", "export.withdrawn", "erase.before_manifest", "erase.between_files",
    "draft.after_files", "erase.before_publish", "publish.before_commit",
    "publish.between_tables", "publish.before_release", "publish.after_release",
    "erase.before_receipt",
)
CALL = "import sys; from pathlib import Path; from lake.store import Lake; " \
    "from tests.jobs.privacy.test_erase import erase_ann; erase_ann(Lake(Path(sys.argv[1])))"


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = landed(tmp_path_factory.mktemp("kills") / "lake")
    for day in (FIRST, LAST):
        release.publish(lake, settled(), day, "run", clock)
        exports.publish(lake, settled(), day)
    return lake


@pytest.fixture(scope="module")
def undisturbed(published: Lake, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    root = tmp_path_factory.mktemp("undisturbed") / "lake"
    shutil.copytree(published.root, root, symlinks=True)
    erase_ann(Lake(root))
    return Lake(root)


@pytest.mark.prove
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_any_point_and_run_again_it_ends_the_same(
    published: Lake, undisturbed: Lake, tmp_path: Path, point: str
) -> None:
    shutil.copytree(published.root, tmp_path / "lake", symlinks=True)
    lake = Lake(tmp_path / "lake")
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "GUIYI_CRASH_AT": point}
    call = [sys.executable, "-c", CALL, str(lake.root)]
    assert subprocess.run(call, env=env, check=False).returncode == -signal.SIGKILL
    erase.finish(lake, settled(), "again", clock)
    assert state(lake) == state(undisturbed)
    (receipt,), (other,) = receipts.receipts(lake), receipts.receipts(undisturbed)
    same = ("erasure_id", "removed", "remembered", "old_versions", "release")
    assert {name: receipt[name] for name in same} == {name: other[name] for name in same}
    files = contents_of(lake)
    assert files == contents_of(undisturbed)
    assert ANN["phone"].encode() not in b"".join(files.values())


def contents_of(lake: Lake) -> dict[str, bytes]:
    return {
        str(path.relative_to(lake.root)): path.read_bytes()
        for path in lake.landing.root.rglob("*.*") if path.suffix != ".lock"
    }
