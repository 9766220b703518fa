"""Promise 2: the same tables, run one by one, backfilled, or rebuilt from raw at the last cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import rebuild, run, settings
from lake.store import Lake
from tests.lakes import contents, guiyi, last_days, run_job, same_landing

LOGS = ("identity_moves", "identity_changes", "identity_runs", "identity_health", "tag_coverage")
"""What a publication says against the one before: a rebuild has none before."""


@pytest.mark.slow
def test_backfilled_days_equal_days_run_one_by_one(sample_lake: Lake, tmp_path: Path) -> None:
    other = same_landing(sample_lake, tmp_path / "other")
    first, *rest = last_days(3)
    run_job(other, "release", [first])
    start, end = str(rest[0]), "2018-01-01"
    done = guiyi("job", "backfill", "release", "--start", start, "--end", end, data=other.root)
    assert done.returncode == 0, done.stderr
    for day in last_days(3):
        assert contents(other, day) == contents(sample_lake, day)


@pytest.mark.slow
def test_the_last_day_equals_a_rebuild_from_raw_at_its_cut(
    sample_lake: Lake, tmp_path: Path
) -> None:
    day = last_days(1)[0]
    fresh, _ = rebuild.rebuild(
        sample_lake, settings.read(), day, "rebuild", run.clock, tmp_path / "rebuilt"
    )
    dated = ("tag_values", "tag_bitmaps", "model_scores", "model_health", "audience_members")
    again = contents(fresh, day, leave_out=LOGS + dated)
    assert again == contents(sample_lake, day, leave_out=LOGS + dated)
    for name in dated:
        assert _of_day(fresh, name) == _of_day(sample_lake, name)
    assert _of_day(fresh, "model_scores")


def _of_day(lake: Lake, name: str) -> list[tuple[object, ...]]:
    day = last_days(1)[0]
    with lake.reader(day) as session:
        query = f"SELECT * FROM \"{name}\" WHERE business_date = DATE '{day}' ORDER BY ALL"
        return session.rows(query)


@pytest.mark.slow
def test_a_date_run_again_is_nothing_to_do(sample_lake: Lake) -> None:
    before = contents(sample_lake)
    day = str(last_days(1)[0])
    done = guiyi("job", "run", "release", "--date", day, data=sample_lake.root)
    assert done.returncode == 99
    assert "nothing to do" in done.stderr
    assert contents(sample_lake) == before


@pytest.mark.slow
def test_a_date_before_the_newest_is_refused_with_the_way_out(sample_lake: Lake) -> None:
    done = guiyi("job", "run", "release", "--date", "2017-12-01", data=sample_lake.root)
    assert done.returncode == 2
    assert "--restate" in done.stderr
