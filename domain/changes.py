"""A definition that comes into force while a job runs, as it travels in a topic.

JSON with ``name`` and ``definition``; a definition of null takes it away.
"""

from __future__ import annotations

import msgspec


class Change(msgspec.Struct, frozen=True):
    """A definition by name; JSON's null when it is taken away."""

    name: str
    definition: msgspec.Raw


def read_change(said: bytes) -> tuple[str, bytes | None] | None:
    """Name and definition (None: taken away) that a record says; None when it is none."""
    try:
        change = msgspec.json.decode(said, type=Change)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    definition = bytes(change.definition)
    return change.name, None if definition == b"null" else definition


def write_change(name: str, definition: bytes | None) -> bytes:
    """The record that brings a definition into force, or with None takes it away."""
    return msgspec.json.encode(Change(name, msgspec.Raw(definition or b"null")))
