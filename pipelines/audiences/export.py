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
    who hold no phone alone. Shared phones never leave, nor does any clear value.
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


def _show_members(session: Session, recipe: Export, day: date) -> None:
    """A row per member: allowed or not, and the hash of the phone last seen, where there is one."""
    session.execute(
        f"""CREATE OR REPLACE TEMP TABLE export_members AS
        WITH phones AS (
            SELECT t.one_id, arg_max(i.value, {{'at': t.last_at, 'value': i.value}}) AS value
            FROM tenures AS t JOIN identifiers AS i ON i.identifier_key = t.identifier_key
            WHERE t.type = {quoted(recipe.identifier)} AND t.kind = 'sole'
            GROUP BY t.one_id
        ), allowed AS ({consent_sql(recipe.purpose, recipe.channel)})
        SELECT m.one_id, m.person_no, a.one_id IS NOT NULL AS is_allowed,
            {RECIPES[recipe.hashing]} AS hashed
        FROM audience_members AS m
            LEFT JOIN allowed AS a ON a.one_id = m.one_id
            LEFT JOIN phones AS p ON p.one_id = m.one_id
        WHERE m.audience = {quoted(recipe.audience)}
            AND m.business_date = CAST('{day.isoformat()}' AS DATE)"""
    )
    session.execute(
        f"""CREATE OR REPLACE TEMP VIEW export_tags AS SELECT * FROM tag_values
        WHERE business_date = CAST('{day.isoformat()}' AS DATE)"""
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
