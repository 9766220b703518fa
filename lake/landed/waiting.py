"""What of the landed records waits, how far the landing is behind, and what can be dropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from lake import crash
from lake.engines.duckdb import Session, casts, quoted
from lake.landed.carrying import Reached
from lake.landed.table import LandedTable
from lake.tables import DataFile
from lake.topics import Topics
from schemas.landed import LANDED_RECORDS

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Offsets = Mapping[tuple[str, int], int]
"""Offsets by topic and partition."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Landed records of one partition that are not delivered, and the latest receipt."""

    topic: str
    partition: int
    records: int
    latest: datetime


@dataclass(frozen=True, slots=True)
class Lag:
    """How far the landing is behind one partition: ``seconds`` since the first not landed came."""

    topic: str
    partition: int
    next: int
    end: int
    records: int
    seconds: float


def offsets_of(reached: Mapping[tuple[str, int], Reached], names: Mapping[str, str]
               ) -> dict[tuple[str, int], int]:
    """Next offsets by topic, of those by source; ``names`` are topics' by source."""
    return {
        (names[source], partition): done.offset
        for (source, partition), done in reached.items() if source in names
    }


def waiting(session: Session, table: LandedTable, delivered: Offsets) -> list[Waiting]:
    """What is landed from the offsets ``delivered`` on."""
    files = table.files()
    if not files:
        return []
    rows = session.con.execute(
        'SELECT topic, "partition", count(*), max(epoch_us(received_at)) '
        f"FROM {_scan(files)} WHERE NOT ({_before(delivered)}) GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    return [
        Waiting(topic, partition, count, _EPOCH + timedelta(microseconds=latest))
        for topic, partition, count, latest in rows
    ]


def lag(topics: Topics, topic: str, table: LandedTable | None, now: datetime) -> list[Lag]:
    """How far each partition of a topic is behind."""
    found = []
    for partition, (first, end) in sorted(topics.span(topic).items()):
        landed = table.next_offset(topic, partition) if table else None
        at = first if landed is None else landed
        seconds = 0.0
        if at < end:
            reader = topics.reader(topic, {partition: max(at, first)})
            records = reader.read(1, 5.0)
            reader.close()
            if records:
                seconds = max(now.timestamp() - records[0].at / 1000, 0.0)
        found.append(Lag(topic, partition, at, end, end - at, round(seconds, 1)))
    return found


def drop(session: Session, table: LandedTable, taken: Offsets) -> int:
    """Drop the rows before the offsets ``taken``, bytes and all; how many.

    A lander may go on meanwhile; the caller keeps other droppers and readers away.
    """
    files = table.files()
    count = 0
    if files and taken:
        is_taken = _before(taken)
        rows = session.rows(
            f"SELECT filename, count(*) FILTER ({is_taken}), count(*) "
            f"FROM {_scan(files, ', filename = true')} GROUP BY ALL"
        )
        touched = {str(name): (int(str(n)), int(str(whole))) for name, n, whole in rows if n}
        count = sum(n for n, _ in touched.values())
        removed = [file for file in files if file.path in touched]
        added: list[DataFile] = []
        for file in removed:
            if touched[file.path][0] < touched[file.path][1]:
                left = session.table(
                    f"SELECT {casts(LANDED_RECORDS.schema)} FROM {_scan([file])} "
                    f'WHERE NOT ({is_taken}) ORDER BY topic, "partition", "offset"'
                )
                added += table.write({file.d: left.cast(LANDED_RECORDS.schema)})
        crash.point("landed.before_drop")
        if removed:
            table.commit(added, removed)
    crash.point("landed.before_vacuum")
    table.purge()
    return count


def _before(offsets: Offsets) -> str:
    return " OR ".join(
        f'(topic = {quoted(topic)} AND "partition" = {partition} AND "offset" < {offset})'
        for (topic, partition), offset in offsets.items()
    ) or "false"


def _scan(files: Sequence[DataFile], options: str = "") -> str:
    listed = ", ".join(quoted(file.path) for file in files)
    return f"read_parquet([{listed}], hive_partitioning = false{options})"
