"""Patterns with absence as a keyed step: definitions and lines of sources made ready for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from domain import patterns
from domain.arriving import Happened, Read, reader
from domain.keyed import Moved
from domain.patterns import Rules, State
from schemas.errors import ConfigError
from schemas.patterns import Pattern
from schemas.programme import Programme
from schemas.sources import Source


class InForce(NamedTuple):
    """Patterns in force, and how the lines of each source are read for them."""

    rules: Rules
    readers: dict[str, Read | None]


class Patterns:
    """The step of ``domain.patterns`` for hosts (``domain.keyed.Keyed``)."""

    event_type, state_type = Happened, State

    def __init__(self, sources: Sequence[Source], programme: Programme, secret: bytes) -> None:
        self._sources, self._programme, self._secret = sources, programme, secret

    def rules(self, definitions: Mapping[str, bytes]) -> InForce:
        """The patterns in force, from their JSON by name; ConfigError where one is wrong."""
        rules = patterns.ready({name: pattern(name, said) for name, said in definitions.items()})
        types = frozenset(rules.parts)
        readers = {
            source.name: reader(source, self._programme, self._secret, types, rules.fields)
            for source in self._sources if source.format == "jsonl" and source.event_types
        }
        return InForce(rules, readers)

    def read(self, rules: InForce, source: str, value: bytes, received_at: int) -> Happened | None:
        """The event of a line, when a pattern is about its type."""
        read = rules.readers.get(source)
        return read(value, received_at) if read is not None else None

    def happened(
        self, state: State | None, event: Happened, passed: int, rules: InForce
    ) -> Moved[State]:
        """The key after ``event``."""
        return patterns.happened(state, event, passed, rules.rules)

    def passed(self, state: State, key: str, at: int, rules: InForce) -> Moved[State]:
        """The key when everything up to ``at`` has come."""
        return patterns.elapsed(state, key, at, rules.rules)


def pattern(name: str, said: bytes) -> Pattern:
    """The pattern ``name`` from its JSON; ConfigError when it is none."""
    try:
        return msgspec.json.decode(said, type=Pattern)
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(
            "a definition of a pattern cannot be read", expected="the JSON of a pattern",
            got=str(error), where=f"pattern {name}", todo="send it anew with `guiyi stream define`",
        ) from error


def definitions(given: Sequence[Pattern]) -> dict[str, bytes]:
    """Patterns as they travel, by name."""
    return {one.name: msgspec.json.encode(one) for one in given}
