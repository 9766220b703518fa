"""Promise 5: a crash at any named point loses nothing and shows no reader half a release."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lake import crash
from lake.store import Lake
from tests.lakes import contents, guiyi, land_world, last_days, run_job, same_landing


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Six households, published undisturbed on the last two days."""
    lake = land_world(tmp_path_factory.mktemp("tiny") / "data", households=6)
    run_job(lake, "release", last_days(2))
    return lake


IN_A_RELEASE = [p for p in crash.POINTS if p.split(".")[0] in ("draft", "publish")]


@pytest.mark.slow
@pytest.mark.parametrize("name", IN_A_RELEASE)
def test_a_kill_shows_no_half_release_and_the_next_run_is_whole(
    tiny: Lake, tmp_path: Path, name: str
) -> None:
    lake = same_landing(tiny, tmp_path / "data")
    first, last = last_days(2)
    run_job(lake, "release", [first])
    before = contents(lake)
    day = ("--date", str(last))
    killed = guiyi("job", "run", "release", *day, data=lake.root, crash_at=name)
    assert killed.returncode == -9, killed.stderr
    published = name == "publish.after_release"
    assert contents(lake) == (contents(tiny) if published else before)
    again = guiyi("job", "run", "release", *day, data=lake.root)
    assert again.returncode == (99 if published else 0), again.stderr
    assert contents(lake) == contents(tiny)


@pytest.mark.slow
def test_a_kill_before_the_manifest_of_the_landing_leaves_no_delivery(tmp_path: Path) -> None:
    file = tmp_path / "consents.jsonl"
    file.write_text('{"consent_id": "c1"}\n')
    land = ("land", "consents", str(file), "--delivered-at", "2017-01-01T00:00:00Z")
    killed = guiyi(*land, data=tmp_path / "data", crash_at="landing.before_manifest")
    assert killed.returncode == -9
    assert Lake(tmp_path / "data").landing.deliveries() == []
    assert guiyi(*land, data=tmp_path / "data").returncode == 0
    assert len(Lake(tmp_path / "data").landing.deliveries()) == 1


@pytest.mark.slow
def test_a_kill_before_an_exports_manifest_leaves_no_export(tiny: Lake, tmp_path: Path) -> None:
    lake = same_landing(tiny, tmp_path / "data")
    day = last_days(2)[0]
    run_job(lake, "release", [day])
    call = ("job", "run", "exports", "--date", str(day))
    killed = guiyi(*call, data=lake.root, crash_at="export.before_manifest")
    assert killed.returncode == -9, killed.stderr
    assert list(lake.exports.rglob("manifest.json")) == []
    assert guiyi(*call, data=lake.root).returncode == 0
    assert len(list(lake.exports.rglob("manifest.json"))) == 2
    assert guiyi(*call, data=lake.root).returncode == 99


@pytest.mark.slow
def test_a_kill_before_a_models_pointer_is_mended_by_the_next_call(
    sample_lake: Lake, tmp_path: Path
) -> None:
    lake = Lake(tmp_path / "data")
    shutil.copytree(sample_lake.root, lake.root)
    pointer = lake.snapshots / "churn" / "current"
    version = pointer.read_text()
    pointer.unlink()
    call = ("job", "run", "release", "--date", str(last_days(1)[0]))
    killed = guiyi(*call, data=lake.root, crash_at="snapshot.before_pointer")
    assert killed.returncode == -9, killed.stderr
    assert not pointer.exists()
    assert guiyi(*call, data=lake.root).returncode == 99
    assert pointer.read_text() == version


@pytest.mark.slow
def test_a_run_killed_between_release_and_export_is_finished_by_the_next(
    tiny: Lake, tmp_path: Path
) -> None:
    lake = same_landing(tiny, tmp_path / "data")
    killed = guiyi("run", "--days", "0", data=lake.root, crash_at="publish.after_release")
    assert killed.returncode == -9, killed.stderr
    assert not (lake.root / "report.html").exists()
    again = guiyi("run", data=lake.root)
    assert again.returncode == 0, again.stderr
    assert (lake.root / "report.html").exists()
    assert len(list(lake.exports.rglob("manifest.json"))) == 2
    assert guiyi("run", data=lake.root).returncode == 99
