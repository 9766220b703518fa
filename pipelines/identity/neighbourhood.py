"""What the published tables say around one person, as plain rows."""

from __future__ import annotations

from typing import Any

from domain.masking import mask
from lake.engines.duckdb import Session, quoted
from schemas.errors import NotFoundError

Row = dict[str, Any]


def person(session: Session, one_id: str) -> Row:
    """The row of ``persons``; NotFoundError where nobody has this one_id."""
    found = _rows(session, f"SELECT * FROM persons WHERE one_id = {quoted(one_id)}")
    if not found:
        raise NotFoundError(
            "nobody has this one_id",
            expected="a one_id of the table persons, e.g. p0123456789abcdef01234567",
            got=one_id,
            todo="look up an identifier or person_no first; a one_id that was absorbed stands in "
            "identity_changes as other_one_id",
        )
    return found[0]


def identifiers(session: Session, one_id: str, *, is_clear: bool = False) -> list[Row]:
    """Identifiers that a person holds, oldest first, with type, value and times."""
    found = _rows(
        session,
        f"""
        SELECT t.identifier_key, t.tenure, t.type, i.value, t.kind, t.valid_from, t.valid_to,
          t.first_at, t.last_at, t.count_sightings
        FROM tenures AS t LEFT JOIN identifiers AS i ON i.identifier_key = t.identifier_key
        WHERE t.one_id = {quoted(one_id)}
        ORDER BY t.first_at, t.type, t.identifier_key, t.tenure
        """,
    )
    return [_shown(row, is_clear) for row in found]


def links(session: Session, one_id: str) -> list[Row]:
    """Candidate links of the person's identifiers, accepted and refused, in order of receipt."""
    held = f"SELECT identifier_key, tenure FROM tenures WHERE one_id = {quoted(one_id)}"
    return _rows(
        session,
        f"""
        SELECT * FROM links
        WHERE (identifier_key_a, tenure_a) IN ({held})
          OR (identifier_key_b, tenure_b) IN ({held})
        ORDER BY received_at, source, event_id, identifier_key_a, identifier_key_b
        """,
    )


def screened(session: Session, one_id: str, *, is_clear: bool = False) -> list[Row]:
    """Identifiers seen on the person's events that unite nothing, with the rule that says so."""
    found = _rows(
        session,
        f"""
        WITH seen AS (
          SELECT DISTINCT member.identifier_key AS identifier_key
          FROM (
            SELECT unnest(identifiers) AS member FROM bundles WHERE bundle_id IN (
              SELECT bundle_id FROM bundle_persons WHERE one_id = {quoted(one_id)}
            )
          )
        )
        SELECT s.identifier_key, s.type, i.value, s.reason, s.rule, s.count_partners
        FROM screened AS s
        JOIN seen ON seen.identifier_key = s.identifier_key
        LEFT JOIN identifiers AS i ON i.identifier_key = s.identifier_key
        ORDER BY s.type, s.identifier_key
        """,
    )
    return [_shown(row, is_clear) for row in found]


def history(session: Session, one_id: str) -> list[Row]:
    """What became of the person, publication by publication."""
    return _rows(
        session,
        f"""
        SELECT published_for, kind, one_id, other_one_id FROM identity_changes
        WHERE one_id = {quoted(one_id)} OR other_one_id = {quoted(one_id)}
        ORDER BY published_for, kind, one_id, other_one_id
        """,
    )


def shown(type: str, value: str | None, *, is_clear: bool) -> str:
    """A value as it may be shown; one that was erased from the dictionary says so."""
    if value is None:
        return "(erased)"
    return value if is_clear else mask(type, value)


def _shown(row: Row, is_clear: bool) -> Row:
    return row | {"value": shown(row["type"], row["value"], is_clear=is_clear)}


def _rows(session: Session, sql: str) -> list[Row]:
    return session.table(sql).to_pylist()  # type: ignore[no-any-return]
