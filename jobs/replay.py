"""Hands quarantined rows in again: those that the declarations in force now take, and no others."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs.settings import Settings
from lake.store import Lake
from pipelines.ingest.replay import Replay, mended


def replay(
    lake: Lake, settings: Settings, delivered_at: datetime, *, dry_run: bool
) -> list[dict[str, Any]]:
    """Deliver the mended rows; returns one line per source: rows, and the file they came in."""
    with lake.reader() as session:
        found = mended(session, settings.sources, settings.programme, delivered_at)
    known = {delivery.file for delivery in lake.landing.deliveries()}
    fresh = [one for one in found if one.rows.path not in known]
    if not dry_run:
        lake.landing.receive([file for one in fresh for file in (one.rows, one.origins)])
    return [_line(one) for one in fresh]


def _line(one: Replay) -> dict[str, Any]:
    return {"source": one.rows.source, "rows": one.count_rows, "file": one.rows.path}
