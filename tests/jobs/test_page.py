"""What the report says of a model on a date when the gate let it pass, and when not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from jobs import page, settings
from lake import runs, snapshots
from lake.store import Lake, open_lake
from tests import tiny

CLOCK = datetime(2018, 1, 1, tzinfo=UTC)
FIGURES = {
    "auc": 0.9,
    "auc_baseline": 0.8,
    "brier": 0.1,
    "calibration": [{"predicted": 0.5, "observed": 0.5, "count": 9}],
}


def publish(lake: Lake, day: date, version: str | None, refusals: list[str]) -> dict[str, Any]:
    """A release of one person, scored with ``version``; returns the report's headline figures."""
    with tiny.tiny_draft(lake.root, day) as draft:
        tiny.put_persons(draft, {"p": [1]})
        as_date = f"DATE '{day}' AS business_date"
        draft.replace_dates("tag_values", [day], f"SELECT {as_date}, 'p' AS one_id, 0 AS person_no")
        if version:
            draft.replace_dates(
                "model_scores",
                [day],
                f"SELECT {as_date}, 'churn' AS model, '{version}' AS version, 'p' AS one_id, "
                "0.5 AS probability, "
                "NULL AS label, NULL AS purchases, NULL AS amount, NULL AS reasons",
            )
        draft.publish(f"run {day}", str(day), "rules", lambda: CLOCK)
    told = {"models": [{"model": "churn", "refusals": refusals}]}
    run = runs.Run(f"run {day}", "release", day, CLOCK, CLOCK, 0, "done", told)
    runs.record(lake.root, run)
    return page.write(lake, settings.read(), lake.root / "report.html")


def test_a_model_that_was_refused_today_is_not_shown_as_it_was_yesterday(tmp_path: Path) -> None:
    lake = open_lake(tmp_path, create=True)
    files = {"summary.json": msgspec.json.encode(FIGURES)}
    version = snapshots.keep(lake.snapshots, "churn", files)
    snapshots.point(lake.snapshots, "churn", version)
    first = publish(lake, tiny.DAY, version, [])
    assert first["models"] == {"churn": 0.9}
    assert "churn" not in first["not_published"]
    second = publish(lake, tiny.DAY + timedelta(days=1), None, ["it knows the future"])
    assert second["models"] == {}
    assert second["not_published"]["churn"] == ["it knows the future"]
    assert "churn: not published" in page.summary_text(second, tmp_path)
    text = (tmp_path / "report.html").read_text()
    assert "it knows the future" in text
    assert "Brier score is" not in text


def test_the_model_shown_is_the_one_that_scored_the_date_and_not_the_pointers(
    tmp_path: Path,
) -> None:
    lake = open_lake(tmp_path, create=True)
    versions = [
        snapshots.keep(
            lake.snapshots, "churn", {"summary.json": msgspec.json.encode(FIGURES | {"auc": auc})}
        )
        for auc in (0.7, 0.9)
    ]
    snapshots.point(lake.snapshots, "churn", versions[1])
    assert publish(lake, tiny.DAY, versions[0], [])["models"] == {"churn": 0.7}
