"""Bounded ranges of topics as Arrow batches in Beam, and their rows as files of landed records."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import apache_beam as beam
import pyarrow as pa

from lake.engines.beam import pipeline
from lake.landed import LandedTable
from lake.landed.rows import rows_of
from lake.tables import DataFile
from lake.topics import opened
from schemas.errors import UnreachableError

RECORDS_PER_BATCH = 100_000
SILENT_S = 60.0
"""So long a topic that has more may say nothing."""


class Range(NamedTuple):
    """Offsets ``start`` up to ``end`` of a partition."""

    topic: str
    partition: int
    start: int
    end: int


Batch = tuple[Range, str, pa.Table]
"""Rows of ``landed_records`` of one range and day."""


class ReadRange(beam.DoFn):  # type: ignore[misc]
    """Batches of a range's records; offsets that no record has are passed over."""

    def __init__(self, address: str, now_ms: int) -> None:
        self.address, self.now_ms = address, now_ms

    def process(self, element: Range) -> Iterator[Batch]:
        topic, partition, start, end = element
        topics = opened(self.address)
        reader = topics.reader(topic, {partition: start})
        heard = time.monotonic()
        while reader.positions().get(partition, start) < end:
            read = reader.read(RECORDS_PER_BATCH, 0.5)
            records = [record for record in read if record.offset < end]
            if records:
                heard = time.monotonic()
                for d, table in rows_of(topic, records, self.now_ms).items():
                    yield element, d, table
            elif time.monotonic() - heard > SILENT_S:
                raise UnreachableError(
                    f"the topic {topic} has more and gives nothing",
                    expected=f"offset {end}", got=str(reader.positions()),
                    todo="see whether its broker runs, then run again",
                )
        reader.close()
        topics.close()


class _Write(beam.DoFn):  # type: ignore[misc]
    """Durable files of batches, by range; nobody's until they are committed."""

    def __init__(self, root: str) -> None:
        self.root = root

    def process(self, element: Batch) -> Iterator[tuple[Range, DataFile]]:
        one, d, table = element
        for file in LandedTable(Path(self.root)).write({d: table}):
            yield one, file


class _Tell(beam.DoFn):  # type: ignore[misc]
    """Keeps which files a range has: those of bundles that were kept, each once."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def process(self, element: tuple[Range, Iterable[DataFile]]) -> Iterator[str]:
        one, files = element
        path = Path(self.folder) / f"{one.topic}-{one.partition}.pickle"
        fresh = path.with_suffix(f".{os.urandom(4).hex()}")
        fresh.write_bytes(pickle.dumps((tuple(one), list(files))))
        fresh.replace(path)
        yield str(path)


def written(
    ranges: Sequence[Range],
    address: str,
    root: Path,
    folder: Path,
    now_ms: int,
    options: Sequence[str] = (),
) -> dict[Range, list[DataFile]]:
    """Files of the landed records below ``root`` for each range, read by Beam's workers.

    ``address`` is that of the topics; ``folder`` is one that driver and workers see.
    """
    with TemporaryDirectory(dir=folder, prefix="beam-") as told:
        with pipeline(options) as made:
            _ = (
                made
                | beam.Create([tuple(one) for one in ranges])
                | beam.Reshuffle()
                | beam.Map(lambda one: Range(*one))
                | beam.ParDo(ReadRange(address, now_ms))
                | beam.ParDo(_Write(str(root)))
                | beam.GroupByKey()
                | beam.ParDo(_Tell(told))
            )
        found: dict[Range, list[DataFile]] = {one: [] for one in ranges}
        for path in Path(told).glob("*.pickle"):
            one, files = pickle.loads(path.read_bytes())
            found[Range(*one)] = files
        return found
