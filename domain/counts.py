"""Live counts: how many events of each source and type were received in each minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec

from domain.arriving import Line, condition
from domain.keyed import Moved, Out
from schemas.sources import Source

MINUTE = 60_000_000
UNKNOWN = "unknown"
"""The type of a line that is none of the declared ones, or no JSON object."""


class Received(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A line: of which source and type, and when it was received."""

    key: str
    at: int


class Minutes(msgspec.Struct, array_like=True):
    """Counts of the minutes that are not over, by their first instant."""

    counts: dict[int, int]


class Counting:
    """The step for hosts (``domain.keyed.Keyed``); it has no definitions."""

    event_type, state_type = Received, Minutes

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = [one for one in sources if one.format == "jsonl"]

    def rules(self, definitions: Mapping[str, bytes]) -> dict[str, Callable[[bytes], str]]:
        """For each source what tells the key, source and type, of a line."""
        return {source.name: _typed(source) for source in self._sources}

    def read(
        self, rules: dict[str, Callable[[bytes], str]], source: str, value: bytes, received_at: int
    ) -> Received:
        """The line as one that is counted; every line is."""
        return Received(rules[source](value), received_at)

    def happened(
        self, state: Minutes | None, event: Received, passed: int, rules: object
    ) -> Moved[Minutes]:
        """The counts with one more; a minute that is over stays as it was told."""
        minute = event.at - event.at % MINUTE
        end = minute + MINUTE - 1
        if end <= passed:
            return Moved(state, (), None)
        state = state or Minutes({})
        state.counts[minute] = state.counts.get(minute, 0) + 1
        return Moved(state, (), end)

    def passed(self, state: Minutes, key: str, at: int, rules: object) -> Moved[Minutes]:
        """The counts of minutes that are over are told."""
        over = sorted(minute for minute in state.counts if minute + MINUTE - 1 <= at)
        outs = [_out(key, minute, state.counts.pop(minute)) for minute in over]
        following = min(state.counts, default=None)
        if following is None:
            return Moved(None, outs, None)
        return Moved(state, outs, following + MINUTE - 1)


def _out(key: str, minute: int, count: int) -> Out:
    source, _, kind = key.partition("|")
    said = {"source": source, "type": kind, "minute": minute // 1000, "count": count}
    return Out(f"{key}|{minute}", key, minute + MINUTE, msgspec.json.encode(said))


def _typed(source: Source) -> Callable[[bytes], str]:
    kinds = [(f"{source.name}|{t.name}", condition(source, t.when)) for t in source.event_types]
    decode = msgspec.json.Decoder(Line).decode
    unknown = f"{source.name}|{UNKNOWN}"

    def key(value: bytes) -> str:
        try:
            line = decode(value)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return unknown
        return next((name for name, holds in kinds if holds(line)), unknown)

    return key
