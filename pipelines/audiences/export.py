"""Exports: members who allowed it leave as files, by a named recipe, with a manifest of counts."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from domain.consent import consent_sql
from lake.engines.duckdb import Session, quoted
from schemas.errors import ConfigError
from schemas.exports import Export
from schemas.tag_definitions import Tag

# A recipe is its SQL over the clear, normalised value; receivers match on the same bytes.
RECIPES = {"sha256_e164": "lower(sha256(value))"}


@dataclass(frozen=True, slots=True)
class Built:
    """An export before it is written: files by name, and the manifest."""

    files: dict[str, bytes]
    manifest: dict[str, Any]

    @property
    def version(self) -> str:
        """Business date and a fingerprint of the manifest, sums of the files included."""
        text = json.dumps(self.manifest, sort_keys=True)
        return f"{self.manifest['business_date']}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def build(
    session: Session,
    recipe: Export,
    business_date: date,
    tags: Sequence[Tag],
    audience_version: str,
) -> Built:
    """The files of ``recipe`` for the members on ``business_date``, from a release in ``session``.

    Left out and counted: members without consent for purpose and channel, and, in the csv, those
    who hold no phone alone on that day. Shared phones and those that somebody else holds by now
    never leave, nor does any clear value.
    """
    _require_tags(recipe, tags)
    _show_members(session, recipe, business_date)
    members = _members(session, recipe)
    hashes = _hashes(session)
    (counts,) = session.table(
        "SELECT count(*) AS members, count(*) FILTER (WHERE NOT is_allowed) AS without_consent, "
        "count(*) FILTER (WHERE is_allowed AND hashed IS NULL) AS without_phone, "
        "count(*) FILTER (WHERE is_allowed AND hashed IS NOT NULL) AS exported FROM export_members"
    ).to_pylist()
    session.execute("DROP TABLE export_members")
    made = {"parquet": ("members.parquet", members), "csv": ("phones.csv", hashes)}
    files = {made[form][0]: made[form][1] for form in recipe.formats}
    rows = {"members.parquet": counts["members"] - counts["without_consent"],
            "phones.csv": counts["exported"]}
    manifest = {
        "export": recipe.name,
        "audience": recipe.audience,
        "audience_version": audience_version,
        "business_date": business_date.isoformat(),
        "recipe": {
            "identifier": recipe.identifier, "hashing": recipe.hashing,
            "purpose": recipe.purpose, "channel": recipe.channel, "tags": recipe.tags,
        },
        "counts": counts,
        "files": [
            {"name": name, "rows": rows[name], "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in sorted(files.items())
        ],
    }
    return Built(files, manifest)


def _require_tags(recipe: Export, tags: Sequence[Tag]) -> None:
    known = {tag.name for tag in tags}
    for name in recipe.tags:
        if name not in known:
            raise ConfigError(
                f"there is no tag {name!r}", expected="one of " + ", ".join(sorted(known)),
                got=name, where=f"export {recipe.name}", todo="mend the list of tags",
            )


# Each member's own identifiers on the day: what is shared, or another's by now, never leaves.
_OWN = """
CREATE OR REPLACE TEMP TABLE export_own AS
SELECT t.one_id, t.identifier_key, i.value, t.valid_from, t.received_at
FROM audience_members AS m
JOIN tenures AS t ON t.one_id = m.one_id
JOIN identifiers AS i ON i.identifier_key = t.identifier_key
WHERE m.audience = {audience} AND m.business_date = {day}
  AND t.type = {type} AND t.kind IN ('sole', 'handover')
  AND (t.valid_from IS NULL OR t.valid_from <= {day})
  AND (t.valid_to IS NULL OR t.valid_to > {day})
"""

# Of who has several, the one seen last on an event of theirs; those with one need no looking up.
_LAST = """
WITH several AS (SELECT one_id FROM export_own GROUP BY one_id HAVING count(*) > 1),
theirs AS (SELECT * FROM bundle_persons WHERE one_id IN (SELECT one_id FROM several)),
members AS (
  SELECT bundle_id, unnest(identifiers).identifier_key AS identifier_key
  FROM bundles WHERE bundle_id IN (SELECT bundle_id FROM theirs)
),
seen AS (
  SELECT o.one_id, o.identifier_key, max(s.last_at) AS last_at
  FROM theirs AS b
  JOIN members AS m ON m.bundle_id = b.bundle_id
  JOIN export_own AS o ON o.one_id = b.one_id AND o.identifier_key = m.identifier_key
  JOIN sightings AS s ON s.bundle_id = b.bundle_id
    AND s.business_date >= b.valid_from AND s.business_date < b.valid_to
    AND (o.valid_from IS NULL OR s.business_date >= o.valid_from)
  GROUP BY o.one_id, o.identifier_key
)
SELECT o.one_id, arg_max(o.value, {
  'at': coalesce(s.last_at, o.received_at), 'value': o.value
}) AS value
FROM export_own AS o
LEFT JOIN seen AS s ON s.one_id = o.one_id AND s.identifier_key = o.identifier_key
GROUP BY o.one_id
"""


def _show_members(session: Session, recipe: Export, day: date) -> None:
    """A row per member: allowed or not, and the hash of the phone last seen, where there is one."""
    on = f"DATE '{day.isoformat()}'"
    session.execute(
        _OWN.format(audience=quoted(recipe.audience), day=on, type=quoted(recipe.identifier))
    )
    session.execute(
        f"""CREATE OR REPLACE TEMP TABLE export_members AS
        WITH phones AS ({_LAST}        ), allowed AS ({consent_sql(recipe.purpose, recipe.channel)})
        SELECT m.one_id, m.person_no, a.one_id IS NOT NULL AS is_allowed,
            {RECIPES[recipe.hashing]} AS hashed
        FROM audience_members AS m
            LEFT JOIN allowed AS a ON a.one_id = m.one_id
            LEFT JOIN phones AS p ON p.one_id = m.one_id
        WHERE m.audience = {quoted(recipe.audience)}
            AND m.business_date = {on}"""
    )
    session.execute("DROP TABLE export_own")
    session.execute(
        f"""CREATE OR REPLACE TEMP VIEW export_tags AS SELECT * FROM tag_values
        WHERE business_date = {on}"""
    )


def _members(session: Session, recipe: Export) -> bytes:
    columns = "".join(f', t."{name}"' for name in recipe.tags)
    table = session.table(
        f"SELECT m.one_id, m.person_no{columns} FROM export_members AS m "
        "JOIN export_tags AS t ON t.one_id = m.one_id WHERE m.is_allowed ORDER BY m.one_id"
    )
    session.execute("DROP VIEW export_tags")
    return _parquet(table)


def _parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(None), out, compression="zstd")
    return out.getvalue()


def _hashes(session: Session) -> bytes:
    rows = session.rows(
        "SELECT DISTINCT hashed FROM export_members "
        "WHERE is_allowed AND hashed IS NOT NULL ORDER BY hashed"
    )
    lines = ["phone_sha256", *[str(row[0]) for row in rows]]
    return "".join(f"{line}\n" for line in lines).encode()
