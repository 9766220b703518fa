"""The key of a record of a topic: an identifier on it, so that one person's events keep order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from schemas.sources import Source, When

_STEP = re.compile(r"[^.\[\]]+|\[\d+\]")
Walk = tuple[str | int, ...]


def key_of(source: Source, columns: Sequence[str] = ()) -> Callable[[bytes], bytes]:
    """A function from a JSON line to its key: the first of ``columns`` that it has.

    Without ``columns``, the first of the source's identifiers whose conditions hold. What is no
    JSON object, or has none of them, has the empty key.
    """
    wanted: list[tuple[Walk, list[tuple[Walk, str]]]] = [
        (_walk(source, name), []) for name in columns
    ] or [
        (_walk(source, one.column), _conditions(source, one.when))
        for one in source.identifiers if one.each is None and not one.find
    ]

    def key(line: bytes) -> bytes:
        try:
            said = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return b""
        for walk, conditions in wanted:
            found = _at(said, walk)
            if found and all(_holds(_at(said, place), form) for place, form in conditions):
                return found.encode()
        return b""

    return key


def _walk(source: Source, column: str) -> Walk:
    steps = _STEP.findall(source.field(column))
    return tuple(int(one[1:-1]) if one.startswith("[") else one for one in steps)


def _conditions(source: Source, when: When) -> list[tuple[Walk, str]]:
    return [(_walk(source, column), form) for column, form in when.items()]


def _at(said: Any, walk: Walk) -> str:
    """The text or number at a place; empty where there is none."""
    for step in walk:
        if isinstance(step, int):
            if not isinstance(said, list) or step >= len(said):
                return ""
            said = said[step]
        elif isinstance(said, dict):
            said = said.get(step)
        else:
            return ""
    return str(said) if isinstance(said, str | int) and not isinstance(said, bool) else ""


def _holds(value: str, form: str) -> bool:
    """Whether ``value`` has one of the forms ``x``, ``x*`` or ``*``, parted by ``|``."""
    return any(
        value.startswith(one[:-1]) if one.endswith("*") else value == one
        for one in form.split("|")
    )
