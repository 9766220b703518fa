"""What belongs to a person: names, numbers, identifiers by their stays, rows, and what others need.

An identifier is the person's on the dates of its stays with them. A row is the person's when its
bundle is theirs on its date, or when it names an identifier that is theirs on its date.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
import pyarrow as pa

from lake.engines.duckdb import Session, quoted
from pipelines.ingest.erasures import identified
from schemas.erasures import OPEN_FROM, OPEN_TO, SUPPRESSIONS, Birth, Erasure, Suppression

_FROM, _TO = f"DATE '{OPEN_FROM.isoformat()}'", f"DATE '{OPEN_TO.isoformat()}'"

_KEYS = pa.schema([
    SUPPRESSIONS.schema.field(name)
    for name in ("identifier_key", "type", "valid_from", "valid_to")
])

# Whom they absorbed is they, unless it is somebody again.
_NAMES = """
WITH RECURSIVE names(one_id) AS (
  SELECT {one_id}
  UNION
  SELECT c.other_one_id FROM identity_changes AS c JOIN names AS n ON n.one_id = c.one_id
  WHERE c.kind = 'merged' AND c.other_one_id NOT IN (SELECT one_id FROM persons)
)
SELECT one_id FROM names ORDER BY one_id
"""

_STAYS = f"""
SELECT DISTINCT type, identifier_key, coalesce(valid_from, {_FROM}) AS valid_from,
  coalesce(valid_to, {_TO}) AS valid_to
FROM tenures WHERE one_id = {{one_id}} ORDER BY identifier_key, valid_from
"""

_MEMBERS = """
CREATE OR REPLACE TEMP TABLE erase_members AS
SELECT bundle_id, member.identifier_key AS identifier_key, member.path AS path
FROM (SELECT bundle_id, unnest(identifiers) AS member FROM bundles)
"""

_STRETCHES = """
CREATE OR REPLACE TEMP TABLE erase_stretches AS
SELECT bundle_id, valid_from, valid_to FROM bundle_persons
WHERE one_id IN (SELECT one_id FROM erase_names)
UNION
SELECT m.bundle_id, k.valid_from, k.valid_to FROM erase_members AS m
JOIN erase_keys AS k ON k.identifier_key = m.identifier_key
"""

COVERED = (
    "EXISTS (SELECT 1 FROM erase_stretches AS e WHERE e.bundle_id = t.bundle_id "
    "AND t.business_date >= e.valid_from AND t.business_date < e.valid_to)"
)
"""Whether a row t with a bundle and a date is the person's."""

_EVENTS = f"""
CREATE OR REPLACE TEMP TABLE erase_events AS
SELECT source, event_id, file, line FROM events AS t WHERE {COVERED}
"""

_BIRTHS = f"""
SELECT n.identifier_key, t.business_date, t.received_at, t.source, t.event_id,
  min(m.path) AS path
FROM tenures AS n
JOIN sightings AS t ON t.received_at = n.received_at AND t.source = n.source
  AND t.event_id = n.event_id
JOIN erase_members AS m ON m.bundle_id = t.bundle_id AND m.identifier_key = n.identifier_key
WHERE n.one_id NOT IN (SELECT one_id FROM erase_names) AND {COVERED}
GROUP BY ALL ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class Belongings:
    """Whose they are, by every name and number, and the identifiers with their stays."""

    names: list[str]
    numbers: list[int]
    stays: list[Suppression]


def belongings(session: Session, one_id: str) -> Belongings:
    """What a release holds of the person ``one_id``; makes no table."""
    names = [str(name) for (name,) in session.rows(_NAMES.format(one_id=quoted(one_id)))]
    listed = ", ".join(map(quoted, names))
    numbers = session.rows(
        f"SELECT person_no FROM person_numbers WHERE one_id IN ({listed}) ORDER BY person_no"
    )
    stays = [
        msgspec.convert(row, Suppression)
        for row in session.table(_STAYS.format(one_id=quoted(one_id))).to_pylist()
    ]
    return Belongings(names, [int(str(number)) for (number,) in numbers], stays)


def suppressed(session: Session, erasure_id: str) -> Belongings:
    """Whom an erasure that was landed means, in a release that still holds them.

    Names are empty where nobody holds a suppressed identifier any more.
    """
    stays = [
        msgspec.convert(row, Suppression)
        for row in session.table(
            "SELECT type, identifier_key, valid_from, valid_to FROM suppressions "
            f"WHERE erasure_id = {quoted(erasure_id)} ORDER BY identifier_key, valid_from"
        ).to_pylist()
    ]
    found = session.rows(
        f"SELECT DISTINCT t.one_id FROM tenures AS t JOIN suppressions AS s "
        f"ON s.identifier_key = t.identifier_key AND s.erasure_id = {quoted(erasure_id)} "
        f"AND s.valid_from < coalesce(t.valid_to, {_TO}) "
        f"AND coalesce(t.valid_from, {_FROM}) < s.valid_to "
        "WHERE t.one_id IS NOT NULL ORDER BY t.one_id"
    )
    names: set[str] = set()
    numbers: set[int] = set()
    for (one_id,) in found:
        one = belongings(session, str(one_id))
        names |= set(one.names)
        numbers |= set(one.numbers)
    return Belongings(sorted(names), sorted(numbers), stays)


def mark(session: Session, found: Belongings) -> None:
    """Make the tables that say what is erased.

    ``erase_names``, ``erase_numbers``, ``erase_keys`` (with dates), ``erase_members`` (of all
    bundles), ``erase_stretches`` (bundles by dates), ``erase_events`` (with file and line).
    """
    listed = {
        "erase_names": pa.table({"one_id": pa.array(found.names, pa.string())}),
        "erase_numbers": pa.table({"person_no": pa.array(found.numbers, pa.int64())}),
        "erase_keys": pa.Table.from_pylist(
            [msgspec.structs.asdict(one) for one in found.stays], _KEYS
        ),
    }
    for name, rows in listed.items():
        session.register("erase_listed", rows)
        session.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM erase_listed")
        session.con.unregister("erase_listed")
    for statement in (_MEMBERS, _STRETCHES, _EVENTS):
        session.execute(statement)


def unmark(session: Session) -> None:
    """Drop what ``mark`` made."""
    for (name,) in session.rows(
        "SELECT table_name FROM duckdb_tables() WHERE temporary AND starts_with(table_name, "
        "'erase_')"
    ):
        session.execute(f'DROP TABLE "{name}"')


def erasure_of(
    session: Session, found: Belongings, *, reason: str, author: str, at: datetime
) -> Erasure:
    """What is delivered of the erasure; reads the work of ``mark``."""
    births = [
        msgspec.convert(row, Birth) for row in session.table(_BIRTHS).to_pylist()
    ]
    return identified(
        Erasure(
            suppressions=found.stays, births=births, reason=reason, author=author, erased_at=at
        )
    )


def clear_values(session: Session, keys: Sequence[int]) -> list[tuple[str, str]]:
    """Type and clear value of identifiers, as the dictionary has them."""
    listed = ", ".join(map(str, keys)) or "NULL"
    return [
        (str(type), str(value))
        for type, value in session.rows(
            f"SELECT type, value FROM identifiers WHERE identifier_key IN ({listed}) ORDER BY ALL"
        )
    ]
