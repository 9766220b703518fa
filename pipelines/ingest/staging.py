"""Delivered files become staged rows: one temporary table per source, and one of bad rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from lake import lines
from lake.engines.duckdb import Session
from lake.landing import Delivery
from lake.lines import OpenFile
from pipelines.ingest import fields, parsing
from schemas.errors import GuiyiError
from schemas.programme import Programme
from schemas.sources import Source

Read = Callable[[Delivery], Any]
ROWS_PER_CHUNK = 20_000
"""Rows that one DuckDB thread takes at a time."""
CSV_BATCH_BYTES = 24 << 20
"""Cut into fields, a batch takes several times its size."""

_BAD = pa.schema(
    [
        pa.field("file_no", pa.int32()),
        pa.field("line", pa.int64()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("raw", pa.binary()),
    ]
)

Broken = tuple[str, str]
"""Why a line cannot be read: reason and detail."""
Said = TypeVar("Said")


def prepare(session: Session) -> None:
    """Make the table of bad rows; ``ingest_files`` is the caller's."""
    session.execute(
        "CREATE OR REPLACE TEMP TABLE ingest_bad "
        "(file_no INTEGER, line BIGINT, reason VARCHAR, detail VARCHAR, raw_base64 VARCHAR)"
    )


def opened(
    numbered: Iterable[tuple[int, Delivery]],
    compression: str,
    read: Read,
    refused: Callable[[int, str, str], None],
) -> Iterator[OpenFile]:
    """The files that can be read; the others are ``refused`` with reason and detail."""
    for number, delivery in numbered:
        try:
            content = read(delivery)
        except (GuiyiError, OSError) as error:
            refused(number, "unreadable_file", str(error).replace("\n ", ";"))
            continue
        is_gzip = compression == "gzip"
        if compression == "by_name":
            name = delivery.file.split("~")[0].lower()
            is_gzip = name.endswith(".gz") or _starts_as_gzip(content)
        if not is_gzip and isinstance(content, bytes) and b"\n" not in content:
            # Some programs still end lines with a carriage return alone.
            content = content.replace(b"\r", b"\n")
        yield OpenFile(number, content, is_gzip)


def _starts_as_gzip(content: object) -> bool:
    return isinstance(content, bytes) and content.startswith(b"\x1f\x8b")


def create(session: Session, source: Source, programme: Programme) -> None:
    """Make the empty table ``stage_SOURCE``."""
    session.register("ingest_lines", _chunked(_empty(source)))
    select = parsing.query(source, programme)
    session.execute(f"CREATE OR REPLACE TEMP TABLE stage_{source.name} AS {select} LIMIT 0")


def stage(
    session: Session, source: Source, programme: Programme, files: Iterable[OpenFile]
) -> Iterator[int]:
    """Parse ``files`` into ``stage_SOURCE`` and ``ingest_bad``; yields after each batch its rows.

    Each file's header and count are left on it.
    """
    seen: dict[int, OpenFile] = {}
    has_header = source.format == "csv"
    select = parsing.query(source, programme)
    size = CSV_BATCH_BYTES if has_header else lines.BATCH_BYTES
    for batch in lines.batches(_noted(files, seen), source.encoding, has_header, size):
        for header, table in _by_header(batch, seen) if has_header else [(b"", batch)]:
            if has_header:
                names = fields.names(header, source)
                wrong = fields.problem(names, source)
                if wrong:
                    refuse(session, table, *wrong, source.final_newline == "optional")
                    continue
                table = fields.cut(table, names or [], source)
            session.register("ingest_lines", _chunked(table))
            session.execute(f"INSERT INTO stage_{source.name} {select}")
            _keep_bad(session, source)
        yield len(batch)


def readable(session: Session, batch: pa.Table, found: Iterable[Said | Broken]) -> list[Said]:
    """What the lines of ``batch`` say, where they could be read; the others are refused.

    ``found`` has one for each line, in order: what it says, or reason and detail.
    """
    said: list[Said] = []
    broken: dict[Broken, list[int]] = {}
    for place, one in enumerate(found):
        if isinstance(one, tuple):
            broken.setdefault(one, []).append(place)
        else:
            said.append(one)
    for (reason, detail), places in broken.items():
        refuse(session, batch.take(places), reason, detail, may_lack_end=True)
    return said


def refuse(
    session: Session, table: pa.Table, reason: str, detail: str, may_lack_end: bool = False
) -> None:
    """Put every line of ``table`` among the bad rows, for one reason.

    A line that was cut off says that instead, so that no replay takes it for whole.
    """
    ends = {c: e for c, e in parsing.ENDS.items() if c == "gzip_cut" or not may_lack_end}
    cuts = table["cut"].to_pylist()
    _add_bad(
        session,
        pa.table(
            [
                table["file_no"],
                table["line"],
                pa.array(["truncated_line" if c in ends else reason for c in cuts], pa.string()),
                pa.array([ends.get(c, detail) for c in cuts], pa.string()),
                table["raw"],
            ],
            schema=_BAD,
        ),
    )


def _noted(files: Iterable[OpenFile], seen: dict[int, OpenFile]) -> Iterator[OpenFile]:
    for file in files:
        seen[file.number] = file
        yield file


def _by_header(batch: pa.Table, seen: dict[int, OpenFile]) -> Iterator[tuple[bytes, pa.Table]]:
    groups: dict[bytes, list[int]] = {}
    for number in pc.unique(batch["file_no"]).to_pylist():
        groups.setdefault(seen[number].header or b"", []).append(number)
    for header, numbers in groups.items():
        if len(groups) == 1:
            yield header, batch
        else:
            chosen = pc.is_in(batch["file_no"], pa.array(numbers, pa.int32()))
            yield header, batch.filter(chosen)


def _keep_bad(session: Session, source: Source) -> None:
    bad = session.table(
        "SELECT l.file_no, l.line, "
        f"split_part(bad, '{parsing.MARK}', 1) AS reason, "
        f"split_part(bad, '{parsing.MARK}', 2) AS detail, l.raw "
        f"FROM stage_{source.name} AS s JOIN ingest_lines AS l USING (file_no, line) "
        "WHERE s.bad IS NOT NULL"
    )
    if len(bad):
        _add_bad(session, bad.cast(_BAD))


def _add_bad(session: Session, bad: pa.Table) -> None:
    """Add bad rows; the line end that every line carries is taken off."""
    raw = pc.binary_slice(bad["raw"].combine_chunks(), 0, -1)
    session.register("ingest_new_bad", bad.set_column(4, "raw", raw))
    session.execute(
        "INSERT INTO ingest_bad SELECT file_no, line, reason, detail, base64(raw) "
        "FROM ingest_new_bad"
    )
    session.con.unregister("ingest_new_bad")


def _empty(source: Source) -> pa.Table:
    table = lines.SCHEMA.empty_table()
    if source.format == "csv":
        header = [source.field(column) for column in source.columns]
        table = fields.cut(table, header, source)
    return table


def _chunked(table: pa.Table) -> pa.Table:
    batches = table.combine_chunks().to_batches(max_chunksize=ROWS_PER_CHUNK)
    return pa.Table.from_batches(batches, schema=table.schema)
