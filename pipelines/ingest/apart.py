"""A stretch of deliveries parsed apart from the draft, by a worker process of any engine.

A worker needs neither the lake's tables nor its secret: it reads delivered bytes and writes
Parquet files of staged rows, from which ``load`` goes on as if it had staged them itself.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from lake.engines.duckdb import Session, quoted
from lake.landing import Delivery
from lake.lines import OpenFile
from pipelines.ingest import staging
from pipelines.ingest.staging import Read
from schemas.erasures import ERASURES
from schemas.programme import Programme
from schemas.sources import Source

MEMORY = "500MB"
"""Of a worker; its files hold ``ROWS_PER_FILE`` rows and few of them are in memory at a time."""
ROWS_PER_FILE = 500_000
STRETCH_BYTES = 64 << 20
"""Text that a worker parses at a time: seconds of work, so that all of them end together."""
GZIP_RATIO = 8
"""Times that delivered text is larger than its gzip file, about."""

Numbered = tuple[int, Delivery]


@dataclass(slots=True)
class Stretch:
    """What one worker found: Parquet files of staged rows by source and of bad rows, and
    all that is known of each file. It can be pickled."""

    rows: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    """Path and number of rows."""
    bad: list[str] = field(default_factory=list)
    files: list[OpenFile] = field(default_factory=list)
    """Those that could be read, without their content: header, count of rows, ending."""
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Reason and detail of those that could not, by number."""

    @property
    def numbers(self) -> set[int]:
        """Numbers of its files."""
        return {*self.refused, *(file.number for file in self.files)}


def numbered(deliveries: Collection[Delivery]) -> list[Numbered]:
    """Deliveries in order, each with the number that it has all through a load of them all."""
    return list(enumerate(sorted(deliveries, key=_place)))


def _place(delivery: Delivery) -> tuple[bool, datetime, str]:
    """In order of delivery, erasures before all else: they count for what came before them too."""
    return delivery.source != ERASURES, delivery.delivered_at, delivery.file


def text_bytes(delivery: Delivery) -> int:
    """About how much text a delivery holds."""
    return delivery.size_bytes * (GZIP_RATIO if delivery.file.endswith(".gz") else 1)


def cuts(
    files: Sequence[Numbered], sources: Collection[Source], size: int = STRETCH_BYTES
) -> list[list[Numbered]]:
    """Stretches of the declared sources' files: each of one source, of about ``size`` of text.

    Files of no declared source are in none; ``load`` reads them itself.
    """
    found = []
    for name in sorted(source.name for source in sources):
        stretch: list[Numbered] = []
        total = 0
        for number, delivery in files:
            if delivery.source != name:
                continue
            if stretch and total + text_bytes(delivery) > size:
                found.append(stretch)
                stretch, total = [], 0
            stretch.append((number, delivery))
            total += text_bytes(delivery)
        if stretch:
            found.append(stretch)
    return found


def staged(
    deliveries: Sequence[Delivery],
    numbers: Sequence[int],
    sources: Collection[Source],
    programme: Programme,
    read: Read,
    folder: Path,
) -> Stretch:
    """Parse ``deliveries``, of ``numbers`` as ``numbered`` gives them, into files below ``folder``.

    ``sources`` declare all of them. Tried again, it writes files of other names beside the first.
    """
    files = list(zip(numbers, deliveries, strict=True))
    with Session(folder / "spill", MEMORY, threads=1) as session:
        session.register("ingest_files", _listed(files))
        staging.prepare(session)
        found = Stretch()
        for source in sorted(sources, key=lambda one: one.name):
            mine = [(n, d) for n, d in files if d.source == source.name]
            if mine:
                _stage(session, source, programme, mine, read, folder, found)
        found.bad = [p for p, _ in _written(session, "SELECT * FROM ingest_bad", folder, "bad")]
    return found


def _listed(files: Sequence[Numbered]) -> pa.Table:
    return pa.table(
        {
            "file_no": pa.array([number for number, _ in files], pa.int32()),
            "delivered_at": pa.array(
                [d.delivered_at for _, d in files], pa.timestamp("us", tz="UTC")
            ),
        }
    )


def _stage(
    session: Session,
    source: Source,
    programme: Programme,
    files: Sequence[Numbered],
    read: Read,
    folder: Path,
    found: Stretch,
) -> None:
    table = f"stage_{source.name}"
    rows = f"SELECT * EXCLUDE (bad) FROM {table} WHERE bad IS NULL"
    written = found.rows.setdefault(source.name, [])
    staging.create(session, source, programme)
    waiting = 0
    for count in staging.stage(session, source, programme, _opened(source, files, read, found)):
        waiting += count
        if waiting >= ROWS_PER_FILE:
            written += _written(session, rows, folder, source.name)
            session.execute(f"TRUNCATE {table}")
            waiting = 0
    written += _written(session, rows, folder, source.name)
    session.execute(f"DROP TABLE {table}")


def _opened(
    source: Source, files: Sequence[Numbered], read: Read, found: Stretch
) -> Iterator[OpenFile]:
    """The readable ones of ``files``, each let go when the next is asked for."""

    def refuse(number: int, reason: str, detail: str) -> None:
        found.refused[number] = (reason, detail)

    for file in staging.opened(files, source.compression, read, refuse):
        found.files.append(file)
        yield file
        file.content = b""


def _written(session: Session, query: str, folder: Path, name: str) -> list[tuple[str, int]]:
    """Write a query's rows to one Parquet file; its path and rows, nothing where it has none."""
    path = folder / f"{name}-{os.urandom(8).hex()}.parquet"
    done = session.rows(f"COPY ({query}) TO {quoted(str(path))} (FORMAT parquet)")
    count = int(str(done[0][0]))
    if not count:
        path.unlink()
    return [(str(path), count)] if count else []


def take(
    session: Session, source: Source, stretches: Sequence[Stretch], first: int, last: int
) -> Iterator[int]:
    """Put staged rows of the files ``first`` to ``last`` into ``stage_SOURCE``.

    Yields the rows of each Parquet file after it.
    """
    for stretch in stretches:
        for path, _ in stretch.rows.get(source.name, ()):
            yield _insert(session, f"stage_{source.name}", [path], first, last)


def take_bad(session: Session, stretches: Sequence[Stretch], first: int, last: int) -> None:
    """Put bad rows of the files ``first`` to ``last`` into ``ingest_bad``."""
    paths = [path for stretch in stretches for path in stretch.bad]
    if paths:
        _insert(session, "ingest_bad", paths, first, last)


def _insert(session: Session, table: str, paths: list[str], first: int, last: int) -> int:
    listed = ", ".join(map(quoted, paths))
    ((count,),) = session.rows(
        f"INSERT INTO {table} BY NAME SELECT * FROM read_parquet([{listed}], "
        f"hive_partitioning = false) WHERE file_no BETWEEN {first} AND {last}"
    )
    return int(str(count))
