"""Keeps the landed records small: drops what releases have, brings files together, sweeps."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from jobs.settings import Settings
from jobs.topics.deliver import drop_taken
from jobs.topics.place import is_used, topics_of
from lake import locks
from lake.landed import LandedTable
from lake.store import Lake
from lake.topics.segments import SegmentTopics


def upkeep(lake: Lake, settings: Settings, now: datetime) -> dict[str, Any]:
    """Rows dropped, files brought together, orphans deleted, records that topics no longer keep.

    Landers may go on; BusyError while a release is being published.
    """
    found: dict[str, Any] = {"rows_dropped": 0, "files_compacted": 0, "orphans": 0, "expired": {}}
    if not is_used(lake, settings):
        return found
    with locks.exclusive(lake.root / "locks", "publish"):
        if LandedTable.is_at(lake.landed):
            found["rows_dropped"] = drop_taken(lake, settings)
            table = LandedTable(lake.landed)
            found["files_compacted"] = table.compact(settings.topics.file_megabytes)
            table.purge()
            found["orphans"] = table.purge_orphans(settings.topics.orphans_after_hours)
    topics = topics_of(lake, settings)
    # A broker drops what is too old by itself.
    if isinstance(topics, SegmentTopics):
        found["expired"] = topics.expire(now)
    topics.close()
    return found


def plan(lake: Lake, settings: Settings) -> dict[str, Any]:
    """What the upkeep would look after."""
    if not LandedTable.is_at(lake.landed):
        return {"files": 0, "rows": 0}
    files = LandedTable(lake.landed).files()
    return {"files": len(files), "rows": sum(file.rows for file in files)}
