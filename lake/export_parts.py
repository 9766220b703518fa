"""Rows become the parts of an export: of a fixed number of rows, alike byte by byte every time.

A part knows neither when nor where it was written, and how the batches fall does not show in it.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from lake.exports import Sink, Writing

ROWS_PER_GROUP = 100_000
GZIP_LEVEL = 1
"""Hashes are as good as random: higher levels gain 2 % of size and cost three times as long."""


class _Part(Protocol):
    def add(self, batch: pa.RecordBatch) -> None: ...
    def end(self) -> None: ...


class _Lines:
    """CSV: batches of one column of text, each value a line with its end."""

    def __init__(self, sink: Sink, header: str, is_gzip: bool) -> None:
        self._zip = (
            gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=sink, mtime=0)
            if is_gzip
            else None
        )
        self._out = self._zip or sink
        self._out.write(header.encode())

    def add(self, batch: pa.RecordBatch) -> None:
        """The text of a batch lies in memory line after line, as it is to stand in the file."""
        lines = batch.column(0)
        if len(lines):
            _, offsets, text = lines.buffers()
            wide = pa.types.is_large_string(lines.type)
            ends = pa.Array.from_buffers(
                pa.int64() if wide else pa.int32(), len(lines) + 1, [None, offsets],
                offset=lines.offset,
            )
            self._out.write(memoryview(text)[ends[0].as_py() : ends[-1].as_py()])

    def end(self) -> None:
        """Write what compression still holds."""
        if self._zip is not None:
            self._zip.close()


class _Columns:
    """Parquet: row groups of a fixed size, whatever the batches."""

    def __init__(self, sink: Sink, schema: pa.Schema, is_gzip: bool, dictionary: list[str]) -> None:
        self._writer = pq.ParquetWriter(
            pa.PythonFile(sink, mode="w"), schema, compression="gzip" if is_gzip else "none",
            compression_level=GZIP_LEVEL if is_gzip else None, use_dictionary=dictionary,
            write_statistics=dictionary, store_schema=False,
        )
        self._schema, self._waiting, self._rows = schema, list[pa.RecordBatch](), 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Keep a batch until a group is full."""
        self._waiting.append(batch)
        self._rows += batch.num_rows
        while self._rows >= ROWS_PER_GROUP:
            whole = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(whole.slice(0, ROWS_PER_GROUP), row_group_size=ROWS_PER_GROUP)
            self._waiting = whole.slice(ROWS_PER_GROUP).to_batches()
            self._rows -= ROWS_PER_GROUP

    def end(self) -> None:
        """Write the last group and the footer."""
        if self._rows:
            whole = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(whole, row_group_size=ROWS_PER_GROUP)
        self._writer.close()


def write_csv(
    draft: Writing, lines: Iterable[pa.RecordBatch], header: str, rows_per_part: int, is_gzip: bool
) -> int:
    """Write ``lines``, batches of one text column, as parts; returns how many there were."""
    def open_part(sink: Sink) -> _Part:
        return _Lines(sink, header, is_gzip)

    return _write(draft, lines, rows_per_part, ".csv.gz" if is_gzip else ".csv", open_part)


def write_parquet(
    draft: Writing, rows: pa.RecordBatchReader, rows_per_part: int, is_gzip: bool,
    repeating: Iterable[str] = (),
) -> int:
    """Write ``rows`` as parts; returns how many. Columns ``repeating`` have few values."""
    schema = rows.schema.remove_metadata()
    chosen = list(repeating)

    def open_part(sink: Sink) -> _Part:
        return _Columns(sink, schema, is_gzip, chosen)

    return _write(draft, rows, rows_per_part, ".parquet", open_part)


def _write(
    draft: Writing, rows: Iterable[pa.RecordBatch], rows_per_part: int, suffix: str, open_part: Any
) -> int:
    """Part after part; the first also when there is not a row."""
    waiting, total, number = _Pieces(rows), 0, 0
    while number == 0 or waiting.more():
        with draft.part(f"part-{number:05d}{suffix}") as sink, _ended(open_part(sink)) as part:
            count = 0
            for piece in waiting.take(rows_per_part):
                part.add(piece)
                count += piece.num_rows
        draft.parts[-1]["rows"] = count
        total, number = total + count, number + 1
    return total


@contextmanager
def _ended(part: _Part) -> Iterator[_Part]:
    yield part
    part.end()


class _Pieces:
    """Batches, cut where a part ends."""

    def __init__(self, rows: Iterable[pa.RecordBatch]) -> None:
        self._rows = iter(rows)
        self._rest: Any = None

    def more(self) -> bool:
        """Whether a row is left."""
        while self._rest is None or not self._rest.num_rows:
            self._rest = next(self._rows, None)
            if self._rest is None:
                return False
        return True

    def take(self, count: int) -> Iterator[pa.RecordBatch]:
        """The next ``count`` rows, or what is left."""
        while count and self.more():
            piece = self._rest.slice(0, count)
            self._rest = self._rest.slice(piece.num_rows)
            count -= piece.num_rows
            yield piece
