"""A release's tables for an export of many members, each with its own phone, written as Parquet.

Nothing lies in the order of persons: tenures by identifier, bundles by their own number, statements
as they came in. One in twenty has two phones, one in ten has withdrawn, one in fifty never said.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

from lake.engines.duckdb import Session
from schemas import catalog

DAY = date(2017, 12, 31)
AUDIENCE, VERSION = "everybody", "0" * 16
_AT = "TIMESTAMPTZ '2017-06-01 00:00:00+00' + to_seconds(CAST(n % 15000000 AS BIGINT))"
_ONE_ID = "'p' || substr(sha256('person' || n), 1, 24)"
_PERSONS = "(SELECT range AS n FROM range({first}, {last}))"
_BUNDLE = "CAST(hash(n, 7) >> 1 AS BIGINT)"
_FIRST = "CAST(hash(n, 1) >> 1 AS BIGINT)"
_SECOND = "CAST(hash(n, 2) >> 1 AS BIGINT)"
_RECEIPT = f"{_AT} AS received_at, 'erp' AS source, 'e' || n AS event_id"

TABLES = {
    "audience_members": (
        f"SELECT DATE '{DAY}' AS business_date, '{AUDIENCE}' AS audience, '{VERSION}' AS version, "
        f"{_ONE_ID} AS one_id, n AS person_no FROM {_PERSONS} ORDER BY hash(n, 3)"
    ),
    "tenures": (
        f"SELECT k AS identifier_key, 0 AS tenure, kind AS type, {_ONE_ID} AS one_id, "
        f"'sole' AS kind, NULL AS valid_from, NULL AS valid_to, {_RECEIPT} FROM ("
        f"SELECT n, {_FIRST} AS k, 'phone' AS kind FROM {_PERSONS} UNION ALL "
        f"SELECT n, {_SECOND}, 'phone' FROM {_PERSONS} WHERE n % 20 = 0 UNION ALL "
        f"SELECT n, {_SECOND} + 1, 'device_id' FROM {_PERSONS} WHERE n % 2 = 0) ORDER BY k"
    ),
    "identifiers": (
        "SELECT k AS identifier_key, kind AS type, value, "
        f"{_AT} AS received_at FROM ("
        f"SELECT n, {_FIRST} AS k, 'phone' AS kind, '+86' || (13000000000 + n) AS value "
        f"FROM {_PERSONS} UNION ALL "
        f"SELECT n, {_SECOND}, 'phone', '+86' || (15000000000 + n) FROM {_PERSONS} "
        "WHERE n % 20 = 0 UNION ALL "
        f"SELECT n, {_SECOND} + 1, 'device_id', md5('d' || n) FROM {_PERSONS} WHERE n % 2 = 0"
        ") ORDER BY hash(n, 4)"
    ),
    "bundle_persons": (
        f"SELECT {_BUNDLE} AS bundle_id, {_ONE_ID} AS one_id, DATE '0001-01-01' AS valid_from, "
        f"DATE '9999-12-31' AS valid_to, false AS is_borrowed FROM {_PERSONS} ORDER BY bundle_id"
    ),
    "bundles": (
        f"SELECT {_BUNDLE} AS bundle_id, [{{'identifier_key': {_SECOND}, 'type': 'phone', "
        f"'path': 'phone'}}] AS identifiers FROM {_PERSONS} ORDER BY bundle_id"
    ),
    "sightings": (
        f"SELECT {_BUNDLE} AS bundle_id, 'erp' AS source, CAST({_AT} AS DATE) AS business_date, "
        f"{_AT} AS first_at, {_AT} AS last_at, 1 AS count, {_AT} AS received_at, "
        f"'e' || n AS event_id FROM {_PERSONS} ORDER BY last_at"
    ),
    "consents": (
        f"SELECT 'consents' AS source, 'c' || n AS event_id, {_AT} AS occurred_at, "
        f"{_AT} AS received_at, CAST({_AT} AS DATE) AS business_date, {_BUNDLE} AS bundle_id, "
        "'advertising' AS purpose, 'any' AS channel, "
        "CASE WHEN n % 10 = 1 THEN 'withdrawn' ELSE 'granted' END AS status, "
        f"'2017-06' AS text_version FROM {_PERSONS} WHERE n % 50 <> 3 ORDER BY hash(n, 5)"
    ),
}


def make(root: Path, persons: int) -> None:
    """Write every table of the world below ``root``."""
    with Session(root / "spill", memory="3GB") as session:
        session.execute("SET preserve_insertion_order = true")
        for name, query in TABLES.items():
            table = catalog.table(name)
            columns = {str(row[0]) for row in session.rows(f"DESCRIBE {_sized(query, persons)}")}
            missing = "".join(
                f", NULL AS {field.name}" for field in table.schema if field.name not in columns
            )
            rows = f"SELECT *{missing} FROM ({_sized(query, persons)})"
            session.write(rows, table.schema, root / name, None, table.rows_per_group)


def _sized(query: str, persons: int) -> str:
    return query.replace("{first}", "0").replace("{last}", str(persons))


def show(root: Path, session: Session) -> None:
    """Show the world's tables in ``session``."""
    for name in TABLES:
        paths = [str(path) for path in sorted((root / name).glob("*.parquet"))]
        session.view(name, catalog.table(name).schema, paths)
