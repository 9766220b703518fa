"""Quarantined rows that the declarations in force would now take, as files to deliver again.

Beside each file of rows goes a file of origins, of the source ``ORIGINS``: which quarantined rows
they are. Loaded, it fills the table ``replays``.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import pyarrow as pa

from lake.draft import Draft
from lake.engines.duckdb import Session
from lake.lines import OpenFile
from pipelines.ingest import staging
from schemas.events import REPLAYS
from schemas.programme import Programme
from schemas.sources import Source

ORIGINS = "quarantine_replays"
"""The source of files of origins; it needs no declaration."""


@dataclass(frozen=True, slots=True)
class ReplayFile:
    """A file to deliver: source, path below the landing, delivery time, bytes."""

    source: str
    path: str
    delivered_at: datetime
    content: bytes


@dataclass(frozen=True, slots=True)
class Replay:
    """Mended rows of one source and header, and where they lay in quarantine."""

    rows: ReplayFile
    origins: ReplayFile
    count_rows: int


class Origin(msgspec.Struct, frozen=True):
    """One line of a file of origins, as the table ``replays`` has it."""

    file: str
    line: int
    replay_file: str


@dataclass(frozen=True, slots=True)
class _Open:
    """An open quarantined row."""

    file: str
    line: int
    raw: bytes


def mended(
    session: Session, sources: Sequence[Source], programme: Programme, delivered_at: datetime
) -> list[Replay]:
    """Exactly the open rows that would be taken if they came again at ``delivered_at``.

    ``session`` shows ``quarantine`` and ``replays``. A line that was cut off stays unless its
    source now does without a last line end; a header comes along with rows of its file.
    """
    replays = []
    for source in sorted(sources, key=lambda one: one.name):
        for header, rows in _waiting(session, source).items():
            taken = _taken(session, source, programme, header, rows, delivered_at)
            if taken:
                replays.append(_replay(source, header, taken, delivered_at))
    return replays


def take_origins(draft: Draft, contents: Iterable[tuple[int, bytes]]) -> dict[int, tuple[int, int]]:
    """Append files of origins to ``replays``; per file number: rows, and rows already known."""
    counts = {}
    known = {(str(f), int(str(n))) for f, n in draft.session.rows("SELECT file, line FROM replays")}
    fresh: list[Origin] = []
    for number, content in contents:
        told = [msgspec.json.decode(line, type=Origin) for line in content.splitlines()]
        new = [one for one in told if (one.file, one.line) not in known]
        known |= {(one.file, one.line) for one in new}
        counts[number] = (len(told), len(told) - len(new))
        fresh += new
    if fresh:
        listed = [msgspec.structs.asdict(one) for one in fresh]
        draft.session.register("ingest_origins", pa.Table.from_pylist(listed, REPLAYS.schema))
        draft.append("replays", "SELECT * FROM ingest_origins")
        draft.session.con.unregister("ingest_origins")
    return counts


def _waiting(session: Session, source: Source) -> dict[bytes, list[_Open]]:
    """Open rows of a source that may be taken, by header (empty without)."""
    may_lack_end = source.final_newline == "optional"
    cut = "contains(detail, 'gzip')" if may_lack_end else "true"
    found = session.rows(
        "SELECT file, line, raw_base64, coalesce(header_base64, first_base64) FROM quarantine "
        "ANTI JOIN replays USING (file, line) "
        # Nobody knew the source then, so its header was kept as its first row.
        "LEFT JOIN (SELECT file, raw_base64 AS first_base64 FROM quarantine "
        f"WHERE source = '{source.name}' AND line = 1) USING (file) "
        f"WHERE source = '{source.name}' AND line > 0 "
        f"AND NOT (reason = 'truncated_line' AND {cut}) ORDER BY file, line"
    )
    groups: dict[bytes, list[_Open]] = {}
    for file, line, raw, header in found:
        row = _Open(str(file), int(str(line)), base64.b64decode(str(raw)))
        head = base64.b64decode(str(header or "")) if source.format == "csv" else b""
        groups.setdefault(head, []).append(row)
    return groups


def _taken(
    session: Session,
    source: Source,
    programme: Programme,
    header: bytes,
    rows: list[_Open],
    delivered_at: datetime,
) -> list[_Open]:
    listed = pa.table(
        {
            "file_no": pa.array([0], pa.int32()),
            "delivered_at": pa.array([delivered_at], pa.timestamp("us", tz="UTC")),
        }
    )
    session.register("ingest_files", listed)
    staging.prepare(session)
    staging.create(session, source, programme)
    body = [row for row in rows if not _is_header(source, header, row)]
    file = OpenFile(0, _content(source, header, body))
    for _ in staging.stage(session, source, programme, [file]):
        pass
    good = session.rows(f"SELECT line FROM stage_{source.name} WHERE bad IS NULL ORDER BY line")
    first = 2 if source.format == "csv" else 1
    taken = [body[int(str(line)) - first] for (line,) in good]
    for name in (f"stage_{source.name}", "ingest_bad"):
        session.execute(f"DROP TABLE {name}")
    for name in ("ingest_files", "ingest_lines"):
        session.con.unregister(name)
    kept = {(row.file, row.line) for row in taken}
    files = {row.file for row in taken}
    return [
        row
        for row in rows
        if (row.file, row.line) in kept or _is_header(source, header, row) and row.file in files
    ]


def _is_header(source: Source, header: bytes, row: _Open) -> bool:
    return source.format == "csv" and row.line == 1 and row.raw == header


def _content(source: Source, header: bytes, rows: list[_Open]) -> bytes:
    lines = [header] if source.format == "csv" else []
    return b"".join(line + b"\n" for line in [*lines, *(row.raw for row in rows)])


def _replay(source: Source, header: bytes, rows: list[_Open], delivered_at: datetime) -> Replay:
    body = [row for row in rows if not _is_header(source, header, row)]
    content = _content(source, header, body)
    # Equal rows of another file are another replay, so the path tells of the origins too.
    places = msgspec.json.encode([(row.file, row.line) for row in rows])
    digest = hashlib.sha256(places + content).hexdigest()
    stem = f"replays/{source.name}/{digest[:16]}"
    path = f"{stem}.{source.format}"
    origins = b"".join(
        msgspec.json.encode(Origin(row.file, row.line, path)) + b"\n" for row in rows
    )
    return Replay(
        ReplayFile(source.name, path, delivered_at, content),
        ReplayFile(ORIGINS, f"{stem}.origins.jsonl", delivered_at, origins),
        len(body),
    )
