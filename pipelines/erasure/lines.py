"""Which lines of the landing are an erased person's: by the very steps by which rows are taken.

Three ways lead to a line: its row names a suppressed identifier on its date, or has the id of an
event that is erased; it cannot be read and a suppressed identifier stands in it; its bytes hold a
clear value of the person, in the form it has in the dictionary or in any that a source wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

import msgspec

from lake import erasing
from lake.draft import Draft
from lake.engines.duckdb import Session, quoted
from lake.landing import Delivery
from pipelines.ingest import bundles, erasures, publishing, replay, staging
from pipelines.ingest.load import Part, drop_temporary, parts, prepare, refuse_source
from pipelines.ingest.staging import Read
from schemas.decisions import DECISIONS
from schemas.erasures import ERASURES
from schemas.lists import LISTS
from schemas.programme import Programme
from schemas.sources import Source

_KEYED = (DECISIONS, LISTS)
_ENCODINGS = ("utf-8", "gb18030", "latin-1")
"""Those that a source may have; gb18030 holds gbk."""


@dataclass(slots=True)
class Found:
    """Lines by file, and the ways in which the person's identifiers are written in them."""

    lines: dict[str, set[int]] = field(default_factory=dict)
    masked: dict[str, set[int]] = field(default_factory=dict)
    """Rows of others that stay, on which a value of the person's is put out."""
    spellings: set[str] = field(default_factory=set)

    def take_in(self, other: Found) -> None:
        """Add what was found at another time."""
        for mine, theirs in ((self.lines, other.lines), (self.masked, other.masked)):
            for file, lines in theirs.items():
                mine.setdefault(file, set()).update(lines)
        self.spellings |= other.spellings

    def add(self, file: str, lines: Iterable[int]) -> None:
        """Note lines of a file."""
        if fresh := set(lines):
            self.lines.setdefault(file, set()).update(fresh)


def find_lines(
    draft: Draft,
    sources: Sequence[Source],
    programme: Programme,
    deliveries: Sequence[Delivery],
    read: Read,
    secret: bytes,
) -> Found:
    """The person's lines in all of ``deliveries``; reads the work of ``mark``."""
    known = {source.name: source for source in sources}
    found = Found(spellings=_clear(draft))
    session = draft.session
    session.con.execute("SET VARIABLE ingest_secret = ?", [secret])
    try:
        for deliveries_of_part in parts([d for d in deliveries if d.source != ERASURES]):
            _scan(draft, known, programme, deliveries_of_part, read, secret, found)
    finally:
        session.execute("RESET VARIABLE ingest_secret")
        drop_temporary(draft)
    _add_spelt(draft, found, known, deliveries, read)
    return found


def gone_keys(session: Session) -> set[int]:
    """Identifiers that stood on the person's rows alone; reads the work of ``mark``."""
    rows = session.rows(
        "SELECT DISTINCT identifier_key FROM erase_members AS m WHERE bundle_id IN "
        "(SELECT bundle_id FROM erase_stretches) AND identifier_key NOT IN ("
        "SELECT n.identifier_key FROM sightings AS t JOIN erase_members AS n "
        "ON n.bundle_id = t.bundle_id WHERE NOT EXISTS (SELECT 1 FROM erase_stretches AS e "
        "WHERE e.bundle_id = t.bundle_id AND t.business_date >= e.valid_from "
        "AND t.business_date < e.valid_to))"
    )
    return {int(str(key)) for (key,) in rows}


def _clear(draft: Draft) -> set[str]:
    listed = ", ".join(map(str, sorted(gone_keys(draft.session)))) or "NULL"
    return {
        str(value)
        for (value,) in draft.session.rows(
            f"SELECT value FROM identifiers WHERE identifier_key IN ({listed})"
        )
    }


def _scan(
    draft: Draft,
    known: Mapping[str, Source],
    programme: Programme,
    deliveries: list[Delivery],
    read: Read,
    secret: bytes,
    found: Found,
) -> None:
    session, part = draft.session, Part(deliveries)
    prepare(draft, deliveries)
    names = {d.source for d in deliveries}
    gone = gone_keys(session)
    for name in sorted(names & known.keys()):
        source = known[name]
        staging.create(session, source, programme)
        files = part.open(part.of(name), source.compression, read)
        for _ in staging.stage(session, source, programme, files):
            pass
        if source.occurred:
            _judge(draft, source, programme, gone, found)
        session.execute(f"DROP TABLE stage_{name}")
    for name in sorted(names - known.keys() - {replay.ORIGINS, *_KEYED}):
        refuse_source(draft, part, name, read)
    for name in _KEYED:
        for number, delivery in part.of(name):
            found.add(delivery.file, _keyed(read(deliveries[number]), gone))
    encodings = {
        number: known[one.source].encoding
        for number, one in enumerate(deliveries) if one.source in known
    }
    erasures.suppress_bad(session, encodings, programme, secret)
    for file, lines in session.rows(
        "SELECT file, list(DISTINCT line) FROM ingest_erased JOIN ingest_files USING (file_no) "
        "GROUP BY file"
    ):
        assert isinstance(lines, list)
        found.add(str(file), lines)


def _judge(
    draft: Draft, source: Source, programme: Programme, gone: set[int], found: Found
) -> None:
    session = draft.session
    publishing.number_occurrences(session, source)
    session.execute(
        f"INSERT INTO ingest_erased SELECT file_no, line FROM stage_{source.name} "
        f"WHERE bad IS NULL AND event_id IN "
        f"(SELECT event_id FROM erase_events WHERE source = {quoted(source.name)})"
    )
    if not source.identifiers:
        return
    bundles.make(session, source, programme)
    listed = ", ".join(map(str, sorted(gone))) or "NULL"
    found.spellings |= {
        str(came)
        for (came,) in session.rows(
            f"SELECT came FROM ingest_keys WHERE identifier_key IN ({listed})"
        )
    }
    erasures.suppress(session, source)


def _keyed(content: bytes, gone: set[int]) -> Iterator[int]:
    """Lines of decisions and lists that name an identifier by its key, and what revokes them."""
    rows = list(_told(content))
    taken: set[object] = set()
    for line, row in rows:
        named = (row, row.get("a"), row.get("b"))
        keys = {one.get("identifier_key") for one in named if isinstance(one, dict)}
        if keys & gone:
            taken.add(row.get("decision_id"))
            yield line
    for line, row in rows:
        if row.get("revokes") in taken - {None}:
            yield line


def _told(content: bytes) -> Iterator[tuple[int, dict[str, object]]]:
    for number, line in enumerate(erasing.text_of(content).split(b"\n"), 1):
        try:
            row = msgspec.json.decode(line) if line.strip() else None
        except msgspec.DecodeError:
            continue
        if isinstance(row, dict):
            yield number, row


def _add_spelt(
    draft: Draft, found: Found, known: Mapping[str, Source], deliveries: Sequence[Delivery],
    read: Read,
) -> None:
    """Lines that hold a spelling as bytes; the header of a CSV file stays.

    Where such a line became an event of somebody else, only the spelling goes.
    """
    pattern = spelt(found.spellings)
    if pattern is None:
        return
    for delivery in deliveries:
        source = known.get(delivery.source)
        first = 2 if source is not None and source.format == "csv" else 1
        content = erasing.text_of(bytes(read(delivery)))
        if not pattern.search(content):
            continue
        lines = content.split(erasing.line_end(content))
        spoken = {n for n, line in enumerate(lines, 1) if n >= first and pattern.search(line)}
        spoken -= found.lines.get(delivery.file, set())
        others = spoken & _taken(draft, delivery.file)
        if others:
            found.masked[delivery.file] = others
        found.add(delivery.file, spoken - others)


def _taken(draft: Draft, file: str) -> set[int]:
    """Lines of a file that are events."""
    rows = draft.session.rows(f"SELECT line FROM events WHERE file = {quoted(file)}")
    return {int(str(line)) for (line,) in rows}


def _encoded(text: str, encoding: str) -> bytes | None:
    """None where the encoding lacks a character: part of a text is not the text."""
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        return None


def spelt(spellings: Iterable[str], *, is_word: bool = True) -> re.Pattern[bytes] | None:
    """A pattern for texts in every encoding a source may have, also in URLs; None without any.

    Only whole words are found where ``is_word``: databases put nothing between columns. Texts
    shorter than ``SHORTEST`` say too little to be looked for.
    """
    forms = {
        form
        for text in spellings if len(text) >= erasures.SHORTEST
        for form in (text, json.dumps(text)[1:-1], *_in_urls(text))
    }
    found = {
        encoded for form in forms for name in _ENCODINGS
        if (encoded := _encoded(form, name)) is not None
    }
    if not found:
        return None
    listed = b"|".join(re.escape(one) for one in sorted(found, key=lambda one: (-len(one), one)))
    if not is_word:
        return re.compile(listed)
    return re.compile(b"(?<![0-9A-Za-z])(?:" + listed + b")(?![0-9A-Za-z])")


def _in_urls(text: str) -> set[str]:
    quoted_text = quote(text, safe="")
    lower = re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), quoted_text)
    return {quoted_text, lower, quote_plus(text)}
