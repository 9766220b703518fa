"""Holds a lake to the identifier secret that it was made with."""

from __future__ import annotations

from domain.identifiers import identifier_key
from lake.engines.duckdb import Session
from schemas.errors import ConfigError


def refuse_other_secret(session: Session, secret: bytes) -> None:
    """With another secret every identifier would get a second key, and nobody be recognised.

    Reads ``identifiers``; ConfigError where ``secret`` does not give their keys.
    """
    for key, kind, value in session.rows(
        "SELECT identifier_key, type, value FROM identifiers LIMIT 1"
    ):
        if identifier_key(str(kind), str(value), secret) != key:
            raise ConfigError(
                "the identifier secret is not the one this lake was made with",
                expected="the secret that gives the keys of the table identifiers",
                got="another",
                where="GUIYI_IDENTIFIER_SECRET, or identifier.secret in the lake",
                todo="set the first one again",
            )
