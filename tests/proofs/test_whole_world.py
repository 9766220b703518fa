"""The whole sample world: backfilled days and a rebuild say the same as days run one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs import rebuild, run, settings
from tests.lakes import contents, land_world, last_days, run_job, same_landing

DATED = ("tag_values", "model_scores", "audience_members")
LOGS = ("identity_moves", "identity_changes", "identity_runs", "identity_health")


@pytest.mark.prove
def test_seven_days_of_the_whole_world_equal_backfill_and_rebuild(tmp_path: Path) -> None:
    one_by_one = land_world(tmp_path / "days", households=2469)
    run_job(one_by_one, "release", last_days(8))
    backfilled = same_landing(one_by_one, tmp_path / "backfilled")
    for day in last_days(8):
        run_job(backfilled, "release", [day])
    for day in last_days(8):
        assert contents(backfilled, day) == contents(one_by_one, day)
    last = last_days(1)[0]
    fresh, _ = rebuild.rebuild(
        one_by_one, settings.read(), last, "rebuild", run.clock, tmp_path / "rebuilt"
    )
    assert contents(fresh, leave_out=LOGS + DATED) == contents(one_by_one, leave_out=LOGS + DATED)
    for name in DATED:
        query = f"SELECT * FROM {name} WHERE business_date = DATE '{last}' ORDER BY ALL"
        with fresh.reader() as there, one_by_one.reader() as here:
            assert there.rows(query) == here.rows(query) != []
