"""Whom a text names: a one_id, a person_no, or any identifier."""

from __future__ import annotations

import re
from datetime import date

from domain.identifiers import normalise
from lake.engines.duckdb import Session, quoted
from schemas.errors import NotFoundError, UsageError
from schemas.sources import IDENTIFIER_TYPES

_ONE_ID = re.compile(r"p[0-9a-f]{24}")
_PERSON_NO = re.compile(r"\d{1,10}")


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
            todo="say type:value, e.g. phone:13812345678, or give the one_id",
        )
    raise _unknown(session, text, matches)


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
    found = session.rows(
        f"""
        SELECT DISTINCT t.one_id, i.type FROM identifiers AS i
        JOIN tenures AS t ON t.identifier_key = i.identifier_key
        WHERE t.one_id IS NOT NULL AND {matches} ORDER BY ALL DESC
        """
    )
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
    screened = session.rows(
        "SELECT DISTINCT s.type, s.reason, s.rule FROM screened AS s "
        "JOIN identifiers AS i ON i.identifier_key = s.identifier_key "
        f"WHERE {matches} ORDER BY ALL"
    )
    if screened:
        type, reason, rule = screened[0]
        return _nobody(text, f"a {type} that names nobody: {reason} ({rule})")
    return _nobody(text, "a text that no identifier in this release matches")


def _nobody(text: str, got: str) -> NotFoundError:
    return NotFoundError(
        f"{text!r} names nobody",
        expected="a one_id, a person_no, or an identifier that was seen (value or type:value)",
        got=got,
        todo="check the spelling, or list identifiers with `guiyi table show identifiers`",
    )
