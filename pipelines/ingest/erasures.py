"""Erasures as ingest meets them: files of erasures are taken, and rows that one suppresses are not.

A row that names a suppressed identifier on a date on which it was the erased person's is counted
as erased, and nothing of it is kept. Of a row that cannot be read its date cannot be told either:
it is not kept when any text in it is a suppressed identifier.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from typing import Any

import msgspec
import pyarrow as pa

from domain.identifiers import identifier_key, mobiles_in, normalise
from lake import lines
from lake.draft import Draft
from lake.engines.duckdb import Session
from lake.lines import OpenFile
from pipelines.ingest import bundles, parsing, staging
from pipelines.ingest.staging import Broken
from schemas.erasures import BIRTH_TOMBSTONES, ERASED, ERASURES, SUPPRESSIONS, Erasure
from schemas.programme import Programme
from schemas.sources import Source
from schemas.table import Table

SHORTEST = 6
"""Shorter texts in a row that cannot be read are as often amounts, dates or places as names."""
_DIGITS = re.compile(r"(\d[^\d]{0,3}){7}")
"""A phone has so many, of whatever script, and little between them."""
_STOPS = (re.compile(r'[",;|{}\[\]\t\r\n\\]+|:\s*'), re.compile(r'[\s",;:|{}\[\]()<>=\\]+'))


@dataclass(frozen=True, slots=True)
class Row:
    """An erasure and the place it was read from."""

    file_no: int
    line: int
    erasure: Erasure


def identified(erasure: Erasure) -> Erasure:
    """``erasure`` in UTC with its id; ValueError when it came with another one."""
    try:
        at = erasure.erased_at.astimezone(UTC)
    except OverflowError:
        raise ValueError("erased_at is outside the years 1 to 9999") from None
    plain = msgspec.structs.replace(erasure, erased_at=at, erasure_id="")
    content = msgspec.json.encode(plain, order="deterministic")
    erasure_id = "e" + hashlib.sha256(content).hexdigest()[:16]
    if erasure.erasure_id not in ("", erasure_id):
        raise ValueError(f"its erasure_id should be {erasure_id} (or be left out)")
    return msgspec.structs.replace(plain, erasure_id=erasure_id)


def read(batch: pa.Table) -> Iterator[Row | Broken]:
    """What each line of a batch of ``lake.lines`` says, or why it cannot be read."""
    named = (batch[name].to_pylist() for name in ("file_no", "line", "text", "cut"))
    for file_no, line, text, cut in zip(*named, strict=True):
        found = _erasure(text, cut)
        yield Row(file_no, line, found) if isinstance(found, Erasure) else found


def take(draft: Draft, files: Iterable[OpenFile]) -> None:
    """Append ``files`` to the tables of erasures, and account for every line in ``ingest_*``.

    An erasure that is known already, or stands twice, is a duplicate.
    """
    rows: list[Row] = []
    for batch in lines.batches(files, "utf-8", has_header=False):
        rows += staging.readable(draft.session, batch, read(batch))
    if rows:
        _append(draft, rows)


def prepare(session: Session) -> None:
    """Make the empty table of rows that are not taken."""
    session.execute("CREATE OR REPLACE TEMP TABLE ingest_erased (file_no INTEGER, line BIGINT)")


def are_any(session: Session) -> bool:
    """Whether anything is suppressed at all."""
    return bool(session.rows(f"SELECT 1 FROM {SUPPRESSIONS.name} LIMIT 1"))


def suppress(session: Session, source: Source) -> None:
    """Move staged rows that name a suppressed identifier to ``ingest_erased``.

    Reads the work of ``bundles.make``.
    """
    name = f"stage_{source.name}"
    same = " AND ".join(f"b.{s} IS NOT DISTINCT FROM s.{s}" for s in bundles.slots(source))
    session.execute(
        "CREATE OR REPLACE TEMP TABLE ingest_suppressed AS SELECT m.no, u.valid_from, u.valid_to "
        f"FROM ingest_members AS m JOIN {SUPPRESSIONS.name} AS u "
        "ON u.identifier_key = m.identifier_key"
    )
    if not session.rows("SELECT 1 FROM ingest_suppressed LIMIT 1"):
        return
    session.execute(
        "CREATE OR REPLACE TEMP TABLE ingest_now_erased AS SELECT DISTINCT s.file_no, s.line "
        f"FROM {name} AS s JOIN (SELECT * FROM ingest_raw WHERE no IN "
        f"(SELECT no FROM ingest_suppressed)) AS b ON {same} "
        "JOIN ingest_suppressed AS u ON u.no = b.no WHERE s.bad IS NULL "
        "AND s.business_date >= u.valid_from AND s.business_date < u.valid_to"
    )
    session.execute("INSERT INTO ingest_erased SELECT * FROM ingest_now_erased")
    session.execute(
        f"DELETE FROM {name} USING ingest_now_erased AS e "
        f"WHERE {name}.file_no = e.file_no AND {name}.line = e.line"
    )


def suppress_bad(
    session: Session, encodings: Mapping[int, str], programme: Programme, secret: bytes
) -> None:
    """Move bad rows in which a suppressed identifier stands to ``ingest_erased``.

    ``encodings`` are by number of the file.
    """
    names = Named.of(session, programme.region, secret)
    for file_no, line, raw in session.rows(
        "SELECT file_no, line, raw_base64 FROM ingest_bad WHERE line > 0"
    ):
        encoding = encodings.get(int(str(file_no)), "utf-8")
        if names.stand_in(base64.b64decode(str(raw)), encoding):
            place = f"{file_no}, {line}"
            session.execute(f"INSERT INTO ingest_erased VALUES ({place})")
            session.execute(f"INSERT INTO ingest_good VALUES ({file_no}, 1)")
    session.execute(
        "DELETE FROM ingest_bad USING ingest_erased AS e "
        "WHERE ingest_bad.file_no = e.file_no AND ingest_bad.line = e.line"
    )


@dataclass(frozen=True, slots=True)
class Named:
    """Finds suppressed identifiers in text of which nothing else is known."""

    keys: Mapping[str, Collection[int]]
    """Suppressed keys by type."""
    region: str
    secret: bytes
    judged: dict[str, bool] = field(default_factory=dict)
    """Texts that were looked at: rows of one file are much alike."""

    @classmethod
    def of(cls, session: Session, region: str, secret: bytes) -> Named:
        """Those of ``suppressions`` as the session shows them."""
        keys: dict[str, set[int]] = {}
        for type, key in session.rows(f"SELECT type, identifier_key FROM {SUPPRESSIONS.name}"):
            keys.setdefault(str(type), set()).add(int(str(key)))
        return cls(keys, region, secret)

    def stand_in(self, raw: bytes, encoding: str) -> bool:
        """Whether any text in ``raw``, as it is or read as ``encoding``, is one of them."""
        texts = {raw.decode(name, "replace") for name in (encoding, "utf-8")}
        return any(self._judged(part) for text in texts for part in self._parts(text))

    def _judged(self, part: str) -> bool:
        if part not in self.judged:
            self.judged[part] = self.is_named(part)
        return self.judged[part]

    def _parts(self, text: str) -> set[str]:
        if "\\u" in text:
            text += " " + re.sub(r"\\u([0-9a-fA-F]{4})", lambda m: chr(int(m[1], 16)), text)
        parts = {part.strip() for stops in _STOPS for part in stops.split(text)}
        return {part for part in parts if len(part) >= SHORTEST} | set(
            mobiles_in(text, self.region)
        )

    def is_named(self, part: str) -> bool:
        """Whether ``part``, as one of the types, is one of them."""
        return bool(self.keys_of(part))

    def keys_of(self, part: str) -> list[int]:
        """Keys of those that ``part``, as one of the types, is."""
        return [
            key
            for kind, keys in self.keys.items()
            if (kind != "phone" or _DIGITS.search(part))
            and (value := normalise(kind, part, self.region)) is not None
            and (key := identifier_key(kind, value, self.secret)) in keys
        ]


def _erasure(text: str | None, cut: str | None) -> Erasure | Broken:
    if cut == "gzip_cut":
        return "truncated_line", parsing.ENDS[cut]
    if text is None:
        return "bad_encoding", "expected text in utf-8, got other bytes"
    try:
        return identified(msgspec.json.decode(text, type=Erasure))
    except msgspec.DecodeError as error:
        is_json = isinstance(error, msgspec.ValidationError)
        return "broken_erasure" if is_json else "broken_json", f"expected an erasure; {error}"
    except ValueError as error:
        return "broken_erasure", f"expected an erasure; {error}"


def _append(draft: Draft, rows: list[Row]) -> None:
    session = draft.session
    known = {str(one) for (one,) in session.rows(f"SELECT erasure_id FROM {ERASURES}")}
    files = {
        number: {"received_at": at, "file": file}
        for number, at, file in session.rows("SELECT file_no, delivered_at, file FROM ingest_files")
    }
    fresh: list[Row] = []
    for row in rows:
        session.execute(f"INSERT INTO ingest_good VALUES ({row.file_no}, 1)")
        if row.erasure.erasure_id in known:
            session.execute(f"INSERT INTO ingest_repeats VALUES ({row.file_no}, {row.line})")
            continue
        known.add(row.erasure.erasure_id)
        fresh.append(row)
    _write(draft, ERASED, [_plain(row.erasure) | files[row.file_no] for row in fresh])
    _write(draft, SUPPRESSIONS, [_plain(one.erasure, s) for one in fresh
                                 for s in one.erasure.suppressions])
    _write(draft, BIRTH_TOMBSTONES, [_plain(one.erasure, b) for one in fresh
                                     for b in one.erasure.births])


def _plain(erasure: Erasure, part: msgspec.Struct | None = None) -> dict[str, Any]:
    return {"erasure_id": erasure.erasure_id, **msgspec.structs.asdict(part or erasure)}


def _write(draft: Draft, table: Table, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    listed = [{name: row[name] for name in table.columns} for row in rows]
    draft.session.register("ingest_told", pa.Table.from_pylist(listed, table.schema))
    draft.append(table.name, "SELECT * FROM ingest_told")
    draft.session.con.unregister("ingest_told")
