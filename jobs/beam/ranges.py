"""Topics landed by Beam: bounded ranges, read side by side, each offset once."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from jobs import run
from jobs.progress import log, stage
from jobs.settings import Settings
from jobs.topics.place import address_of, is_used, topics_of
from lake import locks
from lake.engines.beam_topics import Range, written
from lake.landed import LandedTable
from lake.store import Lake
from schemas.errors import BusyError


def land(lake: Lake, settings: Settings, *, options: Sequence[str] = ()) -> int:
    """Land what the topics hold now and nobody has landed; how many rows.

    Partitions that a lander is at are left to it.
    """
    if not is_used(lake, settings):
        return 0
    table = LandedTable(lake.landed)
    with ExitStack() as held, TemporaryDirectory(dir=lake.root) as folder:
        ranges = [one for one in _open(lake, settings, table) if _is_ours(lake, one, held)]
        if not ranges:
            return 0
        noted = {one: table.next_offset(one.topic, one.partition) for one in ranges}
        address = address_of(lake, settings)
        now_ms = int(run.clock().timestamp() * 1000)
        with stage(f"land {len(ranges)} ranges"):
            found = written(ranges, address, lake.landed, Path(folder), now_ms, options)
        for topic in sorted({one.topic for one in ranges}):
            mine = {one: files for one, files in found.items() if one.topic == topic}
            ends = {one.partition: (noted[one], one.end) for one in mine}
            table.land([file for files in mine.values() for file in files], topic, ends)
    return sum(file.rows for files in found.values() for file in files)


def _open(lake: Lake, settings: Settings, table: LandedTable) -> list[Range]:
    topics = topics_of(lake, settings)
    there = set(topics.names())
    found = []
    for name in (one.name for one in settings.topics.topics if one.name in there):
        for partition, (first, end) in topics.span(name).items():
            landed = table.next_offset(name, partition)
            start = first if landed is None else landed
            if start < end:
                found.append(Range(name, partition, start, end))
    topics.close()
    return found


def _is_ours(lake: Lake, one: Range, held: ExitStack) -> bool:
    try:
        held.enter_context(
            locks.exclusive(lake.root / "locks", f"land-{one.topic}-{one.partition}")
        )
    except BusyError:
        log.info("%s, partition %d: a lander is at it", one.topic, one.partition)
        return False
    return True
