"""The rows of an erased person leave the tables of a draft, in every partition of every date.

What is worked out from other tables (identity, partials, tags of the date) is left to the steps
that make it; of what these read as the state before, the person is taken out here.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import date

import pyarrow as pa

from lake.draft import Draft
from lake.engines.duckdb import Session
from lake.landing import Delivery
from pipelines.erasure.collect import COVERED
from pipelines.erasure.lines import gone_keys, spelt
from pipelines.ingest.erasures import Named
from schemas import catalog
from schemas.events import DELIVERIES, QUARANTINE
from schemas.releases import RELEASES
from schemas.sources import Source
from schemas.table import Table

DATES_AT_ONCE = 30
"""Partitions that are rewritten by one query; each keeps a file open."""
_NAMED = "t.one_id IN (SELECT one_id FROM erase_names)"
_NUMBERED = "t.person_no IN (SELECT person_no FROM erase_numbers)"
_GONE = "t.identifier_key IN (SELECT identifier_key FROM erase_gone)"
NOBODY = "erased-"
_NOBODY = f"'{NOBODY}' || person_no"

_DECIDED = """
CREATE OR REPLACE TEMP TABLE erase_decisions AS
WITH named AS (
  SELECT decision_id FROM identity_decisions
  WHERE identifier_key_a IN (SELECT identifier_key FROM erase_gone)
    OR identifier_key_b IN (SELECT identifier_key FROM erase_gone)
)
SELECT decision_id FROM identity_decisions
WHERE decision_id IN (SELECT decision_id FROM named) OR revokes IN (SELECT decision_id FROM named)
"""

_OWN: dict[str, str] = {
    "bundles": "t.bundle_id IN (SELECT bundle_id FROM erase_bundles)",
    "tenures": f"{_NAMED} OR {_GONE}",
    "identity_decisions": "t.decision_id IN (SELECT decision_id FROM erase_decisions)",
    "identity_changes": f"{_NAMED} OR t.other_one_id IN (SELECT one_id FROM erase_names)",
    "model_scores": _NAMED,
    "audience_members": f"{_NAMED} OR {_NUMBERED}",
    "tag_values": f"{_NAMED} OR {_NUMBERED}",
    "quarantine": "EXISTS (SELECT 1 FROM erase_quarantine AS q "
    "WHERE q.file = t.file AND q.line = t.line)",
}
_LEFT = {
    RELEASES.name, "erasures", "suppressions", "birth_tombstones", "person_numbers", "deliveries",
    "identity_moves", "identifiers", "replays", "links", "bundle_persons",
}
"""Without a person, or seen to by name."""

_MOVES = """
SELECT t.* REPLACE (
  CASE WHEN t.one_id_from IN (SELECT one_id FROM erase_names) THEN NULL ELSE t.one_id_from END
    AS one_id_from,
  CASE WHEN t.one_id_to IN (SELECT one_id FROM erase_names) THEN NULL ELSE t.one_id_to END
    AS one_id_to
) FROM ({moves}) AS t WHERE t.identifier_key NOT IN (SELECT identifier_key FROM erase_gone)
"""

_IDENTIFIERS = """
SELECT i.* REPLACE (coalesce(n.received_at, i.received_at) AS received_at)
FROM identifiers AS i LEFT JOIN (
  SELECT m.identifier_key, min(e.received_at) AS received_at
  FROM erase_members AS m JOIN events AS e ON e.bundle_id = m.bundle_id
  WHERE m.identifier_key IN (
    SELECT identifier_key FROM erase_members WHERE bundle_id IN (
      SELECT bundle_id FROM erase_stretches)
  )
  GROUP BY m.identifier_key
) AS n ON n.identifier_key = i.identifier_key
WHERE i.identifier_key NOT IN (SELECT identifier_key FROM erase_gone)
"""


def remove(
    draft: Draft, sources: Sequence[Source], spellings: Iterable[str], region: str, secret: bytes
) -> dict[str, int]:
    """Take the person out of every table of ``draft``; returns the rows that left, by table.

    Reads the work of ``mark``.
    """
    session = draft.session
    gone = mark_gone(session)
    _mark_quarantine(draft, sources, spellings, region, secret)
    counts: dict[str, int] = {}
    for name, condition in conditions():
        if name != "bundles":
            counts[name] = _drop(draft, catalog.table(name), condition)
    mark_bundles(session)
    counts["bundles"] = _drop(draft, catalog.table("bundles"), _OWN["bundles"])
    counts["identifiers"] = _refresh_identifiers(draft, gone)
    counts["identity_moves"] = _redirect_moves(draft)
    return {name: count for name, count in sorted(counts.items()) if count}


def account(draft: Draft, deliveries: Sequence[Delivery]) -> None:
    """Bring the accounts of files that were blanked since in line with what they hold now."""
    known = set(draft.session.rows("SELECT file, sha256 FROM deliveries"))
    files = {file for file, _ in known}
    touched = [
        one for one in deliveries if one.file in files and (one.file, one.sha256) not in known
    ]
    if not touched:
        return
    session = draft.session
    rows = [
        {"file": one.file, "size_bytes": one.size_bytes, "sha256": one.sha256,
         "count_erased": one.count_erased}
        for one in touched
    ]
    schema = pa.schema([DELIVERIES.schema.field(name) for name in rows[0]])
    session.register("erase_blanked", pa.Table.from_pylist(rows, schema))
    # The sum of a file never changes, so that what is neither kept nor erased is a duplicate.
    draft.replace(
        DELIVERIES.name,
        """
        SELECT d.* REPLACE (
          coalesce(b.size_bytes, d.size_bytes) AS size_bytes,
          coalesce(b.sha256, d.sha256) AS sha256,
          CASE WHEN b.file IS NULL THEN d.count_events ELSE coalesce(k.count, 0) END
            AS count_events,
          CASE WHEN b.file IS NULL THEN d.count_quarantined ELSE coalesce(q.count, 0) END
            AS count_quarantined,
          CASE WHEN b.file IS NULL THEN d.count_duplicates ELSE d.count_rows
            - coalesce(k.count, 0) - coalesce(q.count, 0) - b.count_erased END AS count_duplicates,
          coalesce(b.count_erased, d.count_erased) AS count_erased
        )
        FROM deliveries AS d LEFT JOIN erase_blanked AS b ON b.file = d.file
        LEFT JOIN (
          SELECT file, count(*) AS count FROM (
            SELECT file FROM events UNION ALL SELECT file FROM identity_decisions
            UNION ALL SELECT file FROM list_members
          ) GROUP BY file
        ) AS k ON k.file = d.file
        LEFT JOIN (
          SELECT file, count(*) AS count FROM quarantine WHERE line > 0 GROUP BY file
        ) AS q ON q.file = d.file
        """,
    )
    session.con.unregister("erase_blanked")


def mark_gone(session: Session) -> list[int]:
    """Make the tables of what goes with the person; the identifiers that nobody is left with.

    ``erase_gone`` and ``erase_decisions``; reads the work of ``mark``.
    """
    gone = sorted(gone_keys(session))
    keys = pa.table({"identifier_key": pa.array(gone, pa.int64())})
    session.register("erase_listed", keys)
    session.execute("CREATE OR REPLACE TEMP TABLE erase_gone AS SELECT * FROM erase_listed")
    session.con.unregister("erase_listed")
    session.execute(_DECIDED)
    return gone


def mark_bundles(session: Session) -> None:
    """Make ``erase_bundles``: those of the person that no sighting names any more."""
    session.execute(
        "CREATE OR REPLACE TEMP TABLE erase_bundles AS SELECT DISTINCT bundle_id "
        "FROM erase_stretches WHERE bundle_id NOT IN (SELECT bundle_id FROM sightings)"
    )


def conditions() -> Iterable[tuple[str, str]]:
    """Every table that can hold the person, with the condition on its rows ``t``."""
    for name, table in catalog.TABLES.items():
        columns = set(table.columns)
        if name in _LEFT:
            continue
        if name in _OWN:
            yield name, _OWN[name]
        elif {"bundle_id", "business_date"} <= columns:
            yield name, COVERED
        elif "one_id" in columns:
            yield name, _NAMED
        elif "person_no" in columns:
            yield name, _NUMBERED
        elif "identifier_key" in columns:
            yield name, _GONE


def _drop(draft: Draft, table: Table, condition: str) -> int:
    """Rewrite the table, or those of its partitions, that hold such rows."""
    session, kept = draft.session, f"NOT coalesce(({condition}), false)"
    if table.partition is None:
        ((count,),) = session.rows(f"SELECT count(*) FROM {table.name} AS t WHERE {condition}")
        if count:
            released = draft.table_of(table.name)
            draft.replace(
                table.name, f"SELECT t.* FROM {table.name} AS t WHERE {kept}", table=released
            )
        return int(str(count))
    found = session.rows(
        f"SELECT {table.partition}, count(*) FROM {table.name} AS t WHERE {condition} "
        "GROUP BY 1 ORDER BY 1"
    )
    days = [day for day, _ in found if isinstance(day, date)]
    for start in range(0, len(days), DATES_AT_ONCE):
        some = days[start : start + DATES_AT_ONCE]
        draft.show_dates(table.name, some, "erase_partition")
        draft.replace_dates(
            table.name, some, f"SELECT t.* FROM erase_partition AS t WHERE {kept}",
            table=draft.table_of(table.name),
        )
    return sum(int(str(count)) for _, count in found)


def _mark_quarantine(
    draft: Draft, sources: Sequence[Source], spellings: Iterable[str], region: str, secret: bytes
) -> None:
    session = draft.session
    session.execute("CREATE OR REPLACE TEMP TABLE erase_quarantine (file VARCHAR, line BIGINT)")
    encodings = {source.name: source.encoding for source in sources}
    named, pattern = Named.of(session, region, secret), spelt(spellings)
    places = []
    for source, file, line, raw, detail in session.rows(
        f"SELECT source, file, line, raw_base64, detail FROM {QUARANTINE.name}"
    ):
        content = base64.b64decode(str(raw))
        held = content + b"\n" + str(detail).encode()
        is_spelt = pattern is not None and pattern.search(held) is not None
        if is_spelt or named.stand_in(content, encodings.get(str(source), "utf-8")):
            places.append({"file": file, "line": line})
    if places:
        session.register("erase_places", pa.Table.from_pylist(places))
        session.execute("INSERT INTO erase_quarantine SELECT * FROM erase_places")
        session.con.unregister("erase_places")


def _refresh_identifiers(draft: Draft, gone: Sequence[int]) -> int:
    """Those that nobody is left with leave; others were first named by a row that is still there.
    """
    ((before,),) = draft.session.rows("SELECT count(*) FROM identifiers")
    after = draft.replace("identifiers", _IDENTIFIERS)
    return int(str(before)) - after


def _redirect_moves(draft: Draft) -> int:
    """Moves of the person's identifiers leave; in those of others they become nobody."""
    session = draft.session
    named = "SELECT one_id FROM erase_names"
    days = session.rows(
        "SELECT DISTINCT published_for FROM identity_moves WHERE identifier_key IN "
        f"(SELECT identifier_key FROM erase_gone) OR one_id_from IN ({named}) "
        f"OR one_id_to IN ({named}) ORDER BY 1"
    )
    total = 0
    for (day,) in days:
        assert isinstance(day, date)
        draft.show_dates("identity_moves", [day], "erase_partition")
        ((before,),) = session.rows("SELECT count(*) FROM erase_partition")
        told = _MOVES.format(moves="SELECT * FROM erase_partition")
        fresh = f"SELECT * FROM ({told}) WHERE one_id_from IS DISTINCT FROM one_id_to"
        total += int(str(before)) - draft.replace_dates("identity_moves", [day], fresh)
    return total


def forget_names(draft: Draft) -> None:
    """Numbers stay given; whose they were is not told any more. After identity was resolved."""
    draft.replace(
        "person_numbers",
        f"SELECT CASE WHEN {_NUMBERED} THEN {_NOBODY} ELSE t.one_id END AS one_id, t.person_no "
        "FROM person_numbers AS t",
    )
