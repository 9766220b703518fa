"""All that is held about a person, for the person to read: every table, under a plain heading.

Everything is given in clear, and nothing about anybody else: of an identifier that passed from hand
to hand the dates on which it was theirs.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial
from typing import Any

from lake.engines.duckdb import Session
from pipelines.erasure.collect import COVERED, belongings, mark, unmark
from pipelines.erasure.lines import spelt
from pipelines.identity.timeline import timeline
from pipelines.ingest.erasures import Named
from schemas.sources import Source

_THEIRS = "t.one_id IN (SELECT one_id FROM erase_names)"
_NUMBERED = "t.person_no IN (SELECT person_no FROM erase_numbers)"

_IDENTIFIERS = """
SELECT i.type, i.value, s.valid_from AS "held from", s.valid_to AS "held until",
  s.kind AS "held as", i.received_at AS "first received"
FROM tenures AS s JOIN identifiers AS i ON i.identifier_key = s.identifier_key
WHERE s.one_id IN (SELECT one_id FROM erase_names) ORDER BY ALL
"""
_SHARED = """
SELECT DISTINCT i.type, i.value, s.kind AS "held as"
FROM erase_stretches AS e JOIN erase_members AS m ON m.bundle_id = e.bundle_id
JOIN tenures AS s ON s.identifier_key = m.identifier_key AND s.one_id IS NULL
JOIN identifiers AS i ON i.identifier_key = m.identifier_key ORDER BY ALL
"""
_ROWS = "SELECT t.* EXCLUDE (bundle_id) FROM {table} AS t WHERE " + COVERED + " ORDER BY ALL"
_SCORES = f"SELECT t.* EXCLUDE (one_id) FROM model_scores AS t WHERE {_THEIRS} ORDER BY ALL"
_AUDIENCES = f"""
SELECT t.audience, t.version, t.business_date FROM audience_members AS t
WHERE {_THEIRS} OR {_NUMBERED} ORDER BY ALL
"""
_LISTS = """
SELECT t.list, t.type, t.change, t.reason, t.changed_at FROM list_members AS t
JOIN erase_keys AS k ON k.identifier_key = t.identifier_key ORDER BY ALL
"""
_DECISIONS = """
SELECT d.decision_id, d.kind, d.reason, d.author, d.decided_at FROM identity_decisions AS d
WHERE identifier_key_a IN (SELECT identifier_key FROM erase_keys)
  OR identifier_key_b IN (SELECT identifier_key FROM erase_keys) ORDER BY ALL
"""
_CHANGES = """
SELECT t.published_for, t.kind, t.one_id, t.other_one_id FROM identity_changes AS t
WHERE t.one_id IN (SELECT one_id FROM erase_names)
  OR t.other_one_id IN (SELECT one_id FROM erase_names) ORDER BY ALL
"""


def subject(
    session: Session, one_id: str, labels: dict[str, str], sources: Sequence[Source], region: str,
    secret: bytes,
) -> dict[str, Any]:
    """Heading to what stands under it, of the person ``one_id`` in an open release.

    ``labels`` are what people read for a tag's name. Tables of every kept date are read.
    """
    found = belongings(session, one_id)
    mark(session, found)
    try:
        rows = partial(_rows, session)
        return {
            "person": {"one_id": one_id, "earlier ids": [n for n in found.names if n != one_id],
                       "numbers": found.numbers},
            "identifiers": rows(_IDENTIFIERS),
            "identifiers shared with others": rows(_SHARED),
            "what happened": _events(session, one_id),
            "orders": rows(_ROWS.format(table="order_lines")),
            "conversations": rows(_ROWS.format(table="conversations")),
            "consents": rows(_ROWS.format(table="consents")),
            "tags by date": _tags(session, labels),
            "predictions": rows(_SCORES),
            "audiences": rows(_AUDIENCES),
            "lists": rows(_LISTS),
            "decisions about identity": rows(_DECISIONS),
            "history of this person": rows(_CHANGES),
            "rows that could not be read": _quarantined(session, sources, region, secret),
        }
    finally:
        unmark(session)


def _rows(session: Session, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = session.table(sql).to_pylist()
    return found


def _events(session: Session, one_id: str) -> list[dict[str, Any]]:
    found = timeline(session, one_id, None, None, is_clear=True).to_pylist()
    return [
        {"occurred_at": row["occurred_at"], "source": row["source"], "type": row["type"],
         "event": row["event_id"], "properties": dict(row["properties"] or [])}
        for row in found
    ]


def _tags(session: Session, labels: dict[str, str]) -> list[dict[str, Any]]:
    """A row per date: what is known, under the tag's label."""
    dates: dict[Any, dict[str, Any]] = {}
    for row in session.table(
        f"SELECT t.* EXCLUDE (one_id, person_no) FROM tag_values AS t WHERE {_THEIRS} "
        f"OR {_NUMBERED} ORDER BY business_date"
    ).to_pylist():
        day = row.pop("business_date")
        held = dates.setdefault(day, {})
        held |= {labels.get(name, name): value for name, value in row.items() if value is not None}
    for row in session.table(
        f"SELECT t.* FROM tag_values_sparse AS t WHERE {_NUMBERED} ORDER BY business_date, tag"
    ).to_pylist():
        kinds = ("boolean", "integer", "number", "text", "date", "texts")
        value = next(row[kind] for kind in kinds if row[kind] is not None)
        dates.setdefault(row["business_date"], {})[labels.get(row["tag"], row["tag"])] = value
    return [{"date": day, "tags": held} for day, held in sorted(dates.items())]


def _quarantined(
    session: Session, sources: Sequence[Source], region: str, secret: bytes
) -> list[dict[str, Any]]:
    keys: dict[str, set[int]] = {}
    for kind, key in session.rows("SELECT type, identifier_key FROM erase_keys"):
        keys.setdefault(str(kind), set()).add(int(str(key)))
    clear = session.rows(
        "SELECT value FROM identifiers WHERE identifier_key IN (SELECT identifier_key "
        "FROM erase_keys)"
    )
    pattern = spelt(str(value) for (value,) in clear)
    named = Named(keys, region, secret)
    encodings = {source.name: source.encoding for source in sources}
    found = []
    for row in session.table("SELECT * FROM quarantine ORDER BY file, line").to_pylist():
        raw = base64.b64decode(row["raw_base64"])
        encoding = encodings.get(row["source"], "utf-8")
        if (pattern is not None and pattern.search(raw)) or named.stand_in(raw, encoding):
            found.append(
                {"file": row["file"], "line": row["line"], "reason": row["reason"],
                 "text": raw.decode(encoding, "replace"), "received_at": row["received_at"]}
            )
    return found
