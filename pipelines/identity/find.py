"""Whom a text names: a one_id, a person_no, or any identifier."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from domain.identifiers import normalise
from lake.engines.duckdb import Session, quoted
from pipelines.identity.words import stretch
from schemas.errors import NotFoundError, UsageError
from schemas.sources import IDENTIFIER_TYPES

_ONE_ID = re.compile(r"p[0-9a-f]{24}")
_PERSON_NO = re.compile(r"\d{1,10}")


@dataclass(frozen=True, slots=True)
class Identifier:
    """A type, a normalised clear value, and their key."""

    type: str
    value: str
    identifier_key: int


def find_person(session: Session, text: str, region: str) -> str:
    """The one_id of the person that ``text`` names.

    Takes a one_id (an absorbed one gives its survivor), an identifier's value as any source
    writes it, ``type:value`` where a value alone is not enough, or a person_no. ``region`` is the
    country of phones written without one. NotFoundError where nobody is meant, UsageError where
    several persons are.
    """
    text = text.strip()
    matches = _matches(text, region)
    if _ONE_ID.fullmatch(text):
        return _successor(session, text)
    holders = _holders(session, text, matches)
    if len(holders) == 1:
        return next(iter(holders))
    if holders:
        raise UsageError(
            f"{text!r} names {len(holders)} persons",
            expected="one person",
            got=", ".join(f"{one} ({what})" for one, what in sorted(holders.items())),
            todo="say type:value, e.g. phone:13812345678, or give one of the one_ids",
        )
    raise _unknown(session, text, matches)


def find_identifier(session: Session, text: str, region: str) -> Identifier:
    """The identifier that ``text`` names: ``type:value``, or a value of one type only.

    NotFoundError where none was seen, UsageError where several were.
    """
    text = text.strip()
    found = [
        Identifier(str(type), str(value), int(str(key)))
        for type, value, key in session.rows(
            "SELECT type, value, identifier_key FROM identifiers AS i "
            f"WHERE {_matches(text, region)} ORDER BY ALL"
        )
    ]
    typed = typed_value(text, region)
    meant = [one for one in found if (one.type, one.value) == typed] or found
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise UsageError(
            f"{text!r} names {len(meant)} identifiers",
            expected="one identifier",
            got="one each of the types " + ", ".join(one.type for one in meant),
            todo=f"say type:value, e.g. {meant[0].type}:{text}",
        )
    raise NotFoundError(
        f"{text!r} names no identifier",
        expected="an identifier that was seen (value or type:value)",
        got="a text that no identifier in this release matches",
        todo="check the spelling, or list identifiers with `guiyi table show identifiers`",
    )


def find_key(session: Session, text: str, region: str) -> int:
    """The key of the identifier that ``text`` names, or of the first that a person was seen with.

    Takes what ``find_identifier`` takes, also of what nobody holds, and a one_id or person_no.
    """
    text = text.strip()
    is_seen = bool(session.rows(f"SELECT 1 FROM identifiers AS i WHERE {_matches(text, region)}"))
    if is_seen or not (_ONE_ID.fullmatch(text) or _PERSON_NO.fullmatch(text)):
        return find_identifier(session, text, region).identifier_key
    one_id = find_person(session, text, region)
    ((key,),) = session.rows(
        f"SELECT identifier_key FROM tenures WHERE one_id = {quoted(one_id)} "
        "ORDER BY received_at, source, event_id, identifier_key LIMIT 1"
    )
    return int(str(key))


def typed_value(text: str, region: str) -> tuple[str, str] | None:
    """Type and normal form that ``text`` names as ``type:value``, None when it does not."""
    type, _, value = text.strip().partition(":")
    clean = normalise(type, value, region) if type in IDENTIFIER_TYPES else None
    return None if clean is None else (type, clean)


def _successor(session: Session, one_id: str, since: date = date.min) -> str:
    """The person, or who absorbed it, following the changes in order of publication."""
    if session.rows(f"SELECT 1 FROM persons WHERE one_id = {quoted(one_id)}"):
        return one_id
    absorbed = session.rows(
        "SELECT one_id, published_for FROM identity_changes "
        f"WHERE kind = 'merged' AND other_one_id = {quoted(one_id)} "
        f"AND published_for >= DATE '{since.isoformat()}' "
        "ORDER BY published_for DESC, one_id"
    )
    if not absorbed:
        raise _nobody(one_id, "a one_id that no release ever gave, or that vanished")
    survivor, day = absorbed[0]
    assert isinstance(day, date)
    return _successor(session, str(survivor), day)


def _holders(session: Session, text: str, matches: str) -> dict[str, str]:
    """one_id → what it was found by."""
    rows = session.table(
        f"""
        SELECT t.one_id, t.type, t.valid_from, t.valid_to FROM identifiers AS i
        JOIN tenures AS t ON t.identifier_key = i.identifier_key
        WHERE t.one_id IS NOT NULL AND {matches} ORDER BY ALL DESC
        """
    ).to_pylist()
    found: list[tuple[object, ...]] = [
        (row["one_id"], f"{row['type']} {stretch(row)}".removesuffix(" always")) for row in rows
    ]
    if _PERSON_NO.fullmatch(text):
        found += session.rows(
            f"SELECT one_id, 'person_no' FROM persons WHERE person_no = {int(text)}"
        )
    return {str(one_id): str(what) for one_id, what in found}


def _matches(text: str, region: str) -> str:
    """A condition on ``identifiers`` AS i: the text as a value of any type, or as type:value."""
    meant = [(type, text) for type in IDENTIFIER_TYPES]
    type, _, value = text.partition(":")
    if type in IDENTIFIER_TYPES:
        meant.append((type, value))
    pairs = [
        f"({quoted(type)}, {quoted(clean)})"
        for type, value in meant
        if (clean := normalise(type, value, region)) is not None
    ]
    return f"(i.type, i.value) IN ({', '.join(pairs)})" if pairs else "false"


def _unknown(session: Session, text: str, matches: str) -> NotFoundError:
    unheld = session.rows(
        "SELECT DISTINCT t.type, t.kind, s.rule FROM tenures AS t "
        "JOIN identifiers AS i ON i.identifier_key = t.identifier_key "
        "LEFT JOIN screened AS s ON s.identifier_key = t.identifier_key "
        f"WHERE {matches} ORDER BY ALL"
    )
    if unheld:
        type, kind, rule = unheld[0]
        why = f"{kind} ({rule})" if rule else str(kind)
        return _nobody(text, f"a {type} that names nobody: {why}")
    return _nobody(text, "a text that no identifier in this release matches")


def _nobody(text: str, got: str) -> NotFoundError:
    return NotFoundError(
        f"{text!r} names nobody",
        expected="a one_id, a person_no, or an identifier that was seen (value or type:value)",
        got=got,
        todo="check the spelling, or list identifiers with `guiyi table show identifiers`",
    )
