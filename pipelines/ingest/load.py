"""Deliveries become tables: the same code for a whole year and for one more day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa

from lake import lines
from lake.draft import Draft
from lake.landing import Delivery
from lake.lines import OpenFile
from pipelines.ingest import (
    accounts,
    apart,
    decisions,
    erasures,
    lists,
    publishing,
    replay,
    staging,
)
from pipelines.ingest.accounts import IngestSummary
from pipelines.ingest.apart import Numbered, Stretch
from pipelines.ingest.staging import Read
from schemas.decisions import DECISIONS
from schemas.erasures import ERASURES
from schemas.lists import LISTS
from schemas.programme import Programme
from schemas.sources import Source

PART_BYTES = 1_500 << 20
"""Text that is staged at a time; more is loaded in parts, with the same result."""
PART_ROWS = 2_000_000


@dataclass(slots=True)
class Part:
    """A stretch of deliveries that is staged and published together."""

    deliveries: list[Delivery]
    first: int = 0
    """Number of the first; the others follow."""
    opened: dict[int, OpenFile] = field(default_factory=dict)
    refused: dict[int, tuple[str, str]] = field(default_factory=dict)

    @property
    def numbered(self) -> list[Numbered]:
        """Numbers and deliveries, in order of delivery."""
        return list(enumerate(self.deliveries, self.first))

    @property
    def last(self) -> int:
        """Number of the last."""
        return self.first + len(self.deliveries) - 1

    def of(self, name: str) -> list[Numbered]:
        """Numbers and deliveries of a source, in order of delivery."""
        return [(n, d) for n, d in self.numbered if d.source == name]

    def refuse(self, number: int, reason: str, detail: str) -> None:
        """Note that a file could not be read."""
        self.refused[number] = (reason, detail)

    def open(
        self, files: list[Numbered], compression: str, read: Read
    ) -> Iterator[OpenFile]:
        """The readable ones of ``files``, each let go when the next is asked for."""
        for file in staging.opened(files, compression, read, self.refuse):
            self.opened[file.number] = file
            yield file
            file.content = b""


def load(
    draft: Draft,
    sources: Sequence[Source],
    programme: Programme,
    deliveries: Sequence[Delivery],
    read: Read,
    secret: bytes,
    stretches: Sequence[Stretch] = (),
) -> IngestSummary:
    """Take ``deliveries`` into the draft and account for every row.

    ``read`` gives a delivery's bytes (or a mapped file); one that cannot be read is refused and
    the others go on. ``secret`` keys the identifiers. Loading in one piece or in consecutive
    pieces gives the same tables, and so does loading files from ``stretches`` of
    ``apart.numbered(deliveries)`` that workers have parsed; files in none of them are parsed here.
    """
    known = {source.name: source for source in sources}
    summary = IngestSummary()
    draft.session.con.execute("SET VARIABLE ingest_secret = ?", [secret])
    try:
        first = 0
        for deliveries_of_part in parts(deliveries):
            part = Part(deliveries_of_part, first)
            summary.add(_load(draft, known, programme, part, read, stretches))
            first = part.last + 1
    finally:
        draft.session.execute("RESET VARIABLE ingest_secret")
        drop_temporary(draft)
    return summary


def parts(deliveries: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Consecutive stretches of about ``PART_BYTES`` of text, in order of delivery."""
    part: list[Delivery] = []
    total = 0
    for _, delivery in apart.numbered(deliveries):
        size = apart.text_bytes(delivery)
        if part and total + size > PART_BYTES:
            yield part
            part, total = [], 0
        part.append(delivery)
        total += size
    if part:
        yield part


def _load(
    draft: Draft,
    known: dict[str, Source],
    programme: Programme,
    part: Part,
    read: Read,
    stretches: Sequence[Stretch],
) -> IngestSummary:
    prepare(draft, part.deliveries, part.first)
    numbers = {number for number, _ in part.numbered}
    stretches = [stretch for stretch in stretches if stretch.numbers & numbers]
    names = {d.source for d in part.deliveries} - {replay.ORIGINS, DECISIONS, LISTS, ERASURES}
    sources = [known[name] for name in sorted(names & known.keys())]
    erasures.take(draft, part.open(part.of(ERASURES), "by_name", read))
    dates: set[date] = set()
    for source in sources:
        staging.create(draft.session, source, programme)
        staged = 0
        for count in _stage(draft, part, source, programme, read, stretches):
            staged += count
            if staged >= PART_ROWS and _may_divide(source, part.deliveries):
                dates.update(_publish(draft, [source], programme))
                _begin_again(draft)
                staged = 0
    apart.take_bad(draft.session, stretches, part.first, part.last)
    for name in sorted(names - known.keys()):
        refuse_source(draft, part, name, read)
    _take_origins(draft, part, read)
    decisions.take(draft, part.open(part.of(DECISIONS), "by_name", read))
    lists.take(draft, part.open(part.of(LISTS), "by_name", read))
    dates.update(_publish(draft, sources, programme))
    _note_endings(part, known)
    if erasures.are_any(draft.session):
        _suppress_bad(draft, part, known, programme)
    summary = accounts.append(draft, part.numbered, part.opened, part.refused, known, programme)
    summary.dates = sorted(dates)
    return summary


def _stage(
    draft: Draft,
    part: Part,
    source: Source,
    programme: Programme,
    read: Read,
    stretches: Sequence[Stretch],
) -> Iterator[int]:
    """Stage a source's files, from ``stretches`` those that are in one; yields rows by and by."""
    mine = dict(part.of(source.name))
    for stretch in stretches:
        part.opened |= {file.number: file for file in stretch.files if file.number in mine}
        part.refused |= {n: why for n, why in stretch.refused.items() if n in mine}
    yield from apart.take(draft.session, source, stretches, part.first, part.last)
    left = [one for one in mine.items() if one[0] not in {*part.opened, *part.refused}]
    files = part.open(left, source.compression, read)
    yield from staging.stage(draft.session, source, programme, files)


def _suppress_bad(
    draft: Draft, part: Part, known: dict[str, Source], programme: Programme
) -> None:
    ((secret,),) = draft.session.rows("SELECT getvariable('ingest_secret')")
    assert isinstance(secret, bytes)
    encodings = {
        number: known[delivery.source].encoding
        for number, delivery in part.numbered if delivery.source in known
    }
    erasures.suppress_bad(draft.session, encodings, programme, secret)


def _may_divide(source: Source, deliveries: list[Delivery]) -> bool:
    """A single huge file is published piece by piece, unless its rows are told apart by place.

    A catalogue is replaced as a whole.
    """
    is_by_place = source.dedupe == "content_and_occurrence"
    return len(deliveries) == 1 and bool(source.occurred) and not is_by_place


def prepare(draft: Draft, deliveries: list[Delivery], first: int = 0) -> None:
    """Make the empty tables of a part, and ``ingest_files`` with its deliveries by number."""
    session = draft.session
    listed = pa.table(
        {
            "file_no": pa.array(range(first, first + len(deliveries)), pa.int32()),
            "file": pa.array([d.file for d in deliveries], pa.string()),
            "source": pa.array([d.source for d in deliveries], pa.string()),
            "delivered_at": pa.array(
                [d.delivered_at for d in deliveries], pa.timestamp("us", tz="UTC")
            ),
        }
    )
    session.register("ingest_listed", listed)
    session.execute("CREATE OR REPLACE TEMP TABLE ingest_files AS SELECT * FROM ingest_listed")
    session.con.unregister("ingest_listed")
    session.execute("CREATE OR REPLACE TEMP TABLE ingest_good (file_no INTEGER, count BIGINT)")
    staging.prepare(session)
    publishing.prepare(session)


def _publish(draft: Draft, sources: Sequence[Source], programme: Programme) -> list[date]:
    session = draft.session
    for source in sources:
        session.execute(
            f"INSERT INTO ingest_good SELECT file_no, count(*) FROM stage_{source.name} "
            "WHERE bad IS NULL GROUP BY file_no"
        )
        if source.occurred:
            publishing.keep(session, source, programme)
    return publishing.publish(draft, sources)


def _begin_again(draft: Draft) -> None:
    for table in ("ingest_bundles", "ingest_named"):
        draft.session.execute(f"TRUNCATE {table}")


def refuse_source(draft: Draft, part: Part, name: str, read: Read) -> None:
    """Keep every line of a source that nobody has declared, so that nothing is lost."""
    files = part.open(part.of(name), "by_name", read)
    for batch in lines.batches(files, "latin-1", has_header=False):
        staging.refuse(
            draft.session, batch, "unknown_source", f"expected a declared source, got {name}"
        )


def _take_origins(draft: Draft, part: Part, read: Read) -> None:
    """Note which quarantined rows have come again."""
    files = part.open(part.of(replay.ORIGINS), "none", read)
    contents = [(file.number, bytes(file.content)) for file in files]
    for number, (rows, repeats) in replay.take_origins(draft, contents).items():
        part.opened[number].count_rows = rows
        draft.session.execute(f"INSERT INTO ingest_good VALUES ({number}, {rows})")
        draft.session.execute(
            f"INSERT INTO ingest_repeats SELECT {number}, range FROM range({repeats})"
        )


def _note_endings(part: Part, known: dict[str, Source]) -> None:
    for number, file in part.opened.items():
        source = known.get(part.deliveries[number - part.first].source)
        is_cut = source is not None and source.final_newline == "required"
        if is_cut and file.ending == "no_newline" and file.header and not file.count_rows:
            part.refuse(number, "truncated_file", "expected a header with its line end, got none")
        elif file.ending == "unreadable":
            part.refuse(number, "unreadable_file", "expected a gzip stream, got other bytes")
        elif file.ending == "gzip_cut" and not file.is_line_cut:
            part.refuse(number, "truncated_file", "expected a whole gzip stream, got one cut short")


def drop_temporary(draft: Draft) -> None:
    """Drop every table that ingest made on the way."""
    session = draft.session
    session.con.unregister("ingest_lines")
    for (name,) in session.rows(
        "SELECT table_name FROM duckdb_tables() WHERE temporary AND "
        "regexp_matches(table_name, '^(ingest_|stage_|kept_|found_)')"
    ):
        session.execute(f'DROP TABLE "{name}"')


