"""Identifiers of staged rows become keys and bundles, worked out once per distinct value."""

from __future__ import annotations

import pyarrow as pa

from domain.identifiers import (
    clean_sql,
    identifier_key_sql,
    key_of_hash_sql,
    mobiles_in,
    normalise,
    normalise_clean_sql,
)
from lake.engines.duckdb import Session, quoted
from schemas.programme import Programme
from schemas.sources import Identifier, Source

SECRET = "getvariable('ingest_secret')"
_FOUND = pa.schema([("came", pa.string()), ("value", pa.string())])


def slots(source: Source) -> list[str]:
    """The staged columns that hold raw identifiers."""
    return [f"s_{number}" for number in range(len(source.identifiers))]


def make(session: Session, source: Source, programme: Programme) -> None:
    """Make ``ingest_slots`` (distinct raw identifiers of a row, with their ``bundle_id``).

    ``ingest_members`` has one row per slots and identifier: key, type, value, path.
    """
    names = slots(source)
    listed = ", ".join(names)
    anything = " OR ".join(f"{name} IS NOT NULL" for name in names)
    session.execute(
        "CREATE OR REPLACE TEMP TABLE ingest_raw AS SELECT row_number() OVER () AS no, * FROM "
        f"(SELECT DISTINCT {listed} FROM stage_{source.name} WHERE bad IS NULL AND ({anything}))"
    )
    parts = " UNION ALL ".join(
        _places(session, source, number, one, programme)
        for number, one in enumerate(source.identifiers)
    )
    session.execute(f"CREATE OR REPLACE TEMP TABLE ingest_places AS {parts}")
    _normalise(session, programme)
    _group(session)


def _places(
    session: Session, source: Source, number: int, one: Identifier, programme: Programme
) -> str:
    """SELECT no, type, path, came of one declared identifier."""
    name, path = f"s_{number}", one.path or source.field(one.column)
    if one.each is not None:
        shape = f'[{{"{one.each.value}":"VARCHAR","{one.each.type}":"VARCHAR"}}]'
        kinds = " ".join(f"WHEN {quoted(k)} THEN {quoted(v)}" for k, v in one.each.types.items())
        spot = f"{quoted(path)} || '[' || (position - 1) || '].{one.each.value}'"
        return (
            f"SELECT no, type, path, came FROM (SELECT no, CASE item.\"{one.each.type}\" {kinds} "
            f'END AS type, {spot} AS path, item."{one.each.value}" AS came '
            "FROM (SELECT no, unnest(items) AS item, generate_subscripts(items, 1) AS position "
            f"FROM (SELECT no, from_json({name}, {quoted(shape)}) AS items FROM ingest_raw "
            f"WHERE {name} IS NOT NULL))) WHERE type IS NOT NULL AND came IS NOT NULL"
        )
    came, join = name, ""
    if one.find:
        _find(session, name, programme.region)
        came, join = f"found_{name}.value", f"JOIN found_{name} ON found_{name}.came = {name}"
    return (
        f"SELECT no, {quoted(one.type or '')} AS type, {quoted(path)} AS path, {came} AS came "
        f"FROM ingest_raw {join} WHERE {name} IS NOT NULL"
    )


def _find(session: Session, name: str, region: str) -> None:
    """Make ``found_SLOT``: the mobile numbers in each distinct text of the slot."""
    texts = session.rows(f"SELECT DISTINCT {name} FROM ingest_raw WHERE {name} IS NOT NULL")
    pairs = [(str(text), value) for (text,) in texts for value in mobiles_in(str(text), region)]
    _table(session, f"found_{name}", pairs)


def _normalise(session: Session, programme: Programme) -> None:
    kinds = [str(kind) for (kind,) in session.rows("SELECT DISTINCT type FROM ingest_places")]
    branches = " ".join(
        f"WHEN {quoted(kind)} THEN {normalise_clean_sql(kind, 'clean', programme.region)}"
        for kind in sorted(kinds)
    )
    value = f"CASE type {branches} END" if kinds else "NULL"
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE ingest_values AS SELECT type, came, {value} AS value "
        f"FROM (SELECT *, {clean_sql('came')} AS clean "
        "FROM (SELECT DISTINCT type, came FROM ingest_places))"
    )
    left = session.rows("SELECT came FROM ingest_values WHERE type = 'phone' AND value IS NULL")
    pairs = [(str(c), v) for (c,) in left if (v := normalise("phone", str(c), programme.region))]
    _table(session, "ingest_phones", pairs)
    session.execute(
        "UPDATE ingest_values SET value = p.value FROM ingest_phones AS p "
        "WHERE ingest_values.type = 'phone' AND ingest_values.value IS NULL "
        "AND p.came = ingest_values.came"
    )


def _group(session: Session) -> None:
    key = identifier_key_sql("type", "value", SECRET)
    session.execute(
        "CREATE OR REPLACE TEMP TABLE ingest_keys AS SELECT type, came, value, "
        f"{key} AS identifier_key FROM ingest_values WHERE value IS NOT NULL"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE ingest_members AS SELECT p.no, k.identifier_key, k.type, "
        "k.value, min(p.path) AS path FROM ingest_places AS p JOIN ingest_keys AS k "
        "USING (type, came) GROUP BY ALL"
    )
    members = "list_transform(identifiers, lambda m: m.identifier_key || '@' || m.path)"
    bundle_id = key_of_hash_sql(f"sha256(array_to_string({members}, ','))")
    session.execute(
        "CREATE OR REPLACE TEMP TABLE ingest_slots AS SELECT r.*, m.identifiers, "
        f"{bundle_id} AS bundle_id FROM ingest_raw AS r JOIN (SELECT no, "
        "list({'identifier_key': identifier_key, 'type': type, 'path': path} "
        "ORDER BY identifier_key) AS identifiers FROM ingest_members GROUP BY no) AS m USING (no)"
    )


def _table(session: Session, name: str, pairs: list[tuple[str, str]]) -> None:
    data = pa.table(
        [pa.array([p[i] for p in pairs], pa.string()) for i in (0, 1)], schema=_FOUND
    )
    session.register("ingest_pairs", data)
    session.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM ingest_pairs")
    session.con.unregister("ingest_pairs")
