"""What the published tables say around persons and identifiers, as plain rows."""

from __future__ import annotations

from collections.abc import Iterable

from domain.masking import mask
from lake.engines.duckdb import Session, quoted
from pipelines.identity.decisions import Entry, standing
from pipelines.identity.sighted import Node, Row
from schemas.errors import NotFoundError


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


def held(session: Session, one_ids: Iterable[str]) -> list[Node]:
    """The stays of which one of the persons is the holder, in order."""
    listed = ", ".join(map(quoted, sorted(one_ids))) or "NULL"
    rows = session.rows(
        f"SELECT identifier_key, tenure FROM tenures WHERE one_id IN ({listed}) ORDER BY ALL"
    )
    return [(int(str(key)), int(str(tenure))) for key, tenure in rows]


def stays(session: Session, keys: Iterable[int], *, is_clear: bool = False) -> list[Row]:
    """All stays of the identifiers in order, with type, value, and why they were screened.

    Columns of ``tenures`` and value (masked unless ``is_clear``), rule, count_partners.
    """
    found = _rows(
        session,
        f"""
        SELECT t.*, i.value, s.rule, s.count_partners
        FROM tenures AS t
        LEFT JOIN identifiers AS i ON i.identifier_key = t.identifier_key
        LEFT JOIN screened AS s ON s.identifier_key = t.identifier_key
        WHERE t.identifier_key IN ({_listed(keys)})
        ORDER BY t.identifier_key, t.tenure
        """,
    )
    return [row | {"value": shown(row["type"], row["value"], is_clear=is_clear)} for row in found]


def links(session: Session) -> list[Row]:
    """Candidate links, accepted and refused, of the stays in ``work_asked``, in order of receipt.

    Keeps their ends as ``work_linked``.
    """
    asked = "SELECT (identifier_key, tenure) FROM work_asked"
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_linked AS SELECT * FROM links "
        f"WHERE (identifier_key_a, tenure_a) IN ({asked}) "
        f"OR (identifier_key_b, tenure_b) IN ({asked})"
    )
    return _rows(
        session,
        "SELECT * FROM work_linked ORDER BY received_at, source, event_id, identifier_key_a, "
        "identifier_key_b, tenure_a, tenure_b",
    )


def component(session: Session, key: int) -> list[Node]:
    """The stays of all identifiers that may influence ``key``; none where it is screened."""
    rows = session.rows(
        "SELECT t.identifier_key, t.tenure FROM tenures AS t JOIN raw_components AS c "
        "ON c.identifier_key = t.identifier_key WHERE c.component = "
        f"(SELECT component FROM raw_components WHERE identifier_key = {key}) ORDER BY ALL"
    )
    return [(int(str(one)), int(str(tenure))) for one, tenure in rows]


def decisions(session: Session, keys: Iterable[int], rows: Iterable[Row]) -> list[Row]:
    """Decisions about the identifiers, or by which one of ``rows`` is so, and what revoked them.

    Rows of ``identity_decisions`` in order of receipt, with ``is_in_force``.
    """
    found = _rows(session, "SELECT * FROM identity_decisions ORDER BY received_at, decision_id")
    wanted, named = set(keys), set()
    for row in rows:
        named |= {decision_of(row.get("rule") or ""), row.get("event_id", "")}
    ours = {
        row["decision_id"]
        for row in found
        if {row["identifier_key_a"], row["identifier_key_b"]} & wanted
        or row["decision_id"] in named
    }
    entries = [
        Entry(
            row["received_at"], row["decision_id"], row["kind"], row["identifier_key_a"],
            row["identifier_key_b"], row["revokes"],
        )
        for row in found
    ]  # fmt: skip
    in_force = {one.decision_id for one in standing(entries)}
    return [
        row | {"is_in_force": row["decision_id"] in in_force}
        for row in found
        if row["decision_id"] in ours or row["revokes"] in ours
    ]


def decision_of(rule: str) -> str:
    """The id in a rule that says ``decision <id>`` or ``decision <id> waives …``; else empty."""
    first, _, rest = rule.partition(" ")
    return rest.split(" ")[0] if first == "decision" else ""


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


def _listed(keys: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(keys)))) or "NULL"


def _rows(session: Session, sql: str) -> list[Row]:
    return session.table(sql).to_pylist()  # type: ignore[no-any-return]
