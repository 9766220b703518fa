"""The tags of a stream as a keyed step, for every host: what changed goes out, tag by tag."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import msgspec

from domain.keyed import Moved, Out
from pipelines.tags.streaming.book import Book, book
from pipelines.tags.streaming.reading import Read, begin_of, day_of, reader
from pipelines.tags.streaming.rows import Event
from pipelines.tags.streaming.step import (
    State,
    advance,
    is_empty,
    next_change,
    shown,
    step,
)
from pipelines.tags.streaming.subset import chosen
from pipelines.tags.vocabulary import declared
from schemas.errors import ConfigError
from schemas.programme import Programme
from schemas.sources import Source
from schemas.tag_definitions import Tag, TagFile


class InForce(NamedTuple):
    """The tags in force, and how the lines of each source are read for them."""

    book: Book
    readers: dict[str, Read | None]


class TagStream:
    """Values of tags per bundle, as of the date of receipt; one record for each that changes.

    A value is told with the date that it is of. When a date begins, what changes by that alone
    is told too, as soon as ``passed`` says that the date has begun.
    """

    event_type = Event
    state_type = State

    def __init__(self, sources: Sequence[Source], programme: Programme, secret: bytes) -> None:
        self._sources, self._programme, self._secret = sources, programme, secret

    def rules(self, definitions: Mapping[str, bytes]) -> InForce:
        """The tags in force, from their JSON by name; ConfigError where a stream cannot tell one.

        One that comes into force while a stream runs counts what comes from then on.
        """
        ready = self._book([tag(name, said) for name, said in sorted(definitions.items())])
        readers = {
            source.name: reader(
                source, self._programme, self._secret, ready.types, ready.fields
            )
            for source in self._sources if source.format == "jsonl" and source.event_types
        }
        return InForce(ready, readers)

    def _book(self, tags: list[Tag]) -> Book:
        zone = self._programme.zone
        if not tags:
            return book([], zone)
        subset = chosen(declared([TagFile(tags)]), sources=("events",))
        for name, reason in subset.refused.items():
            raise ConfigError(
                f"a stream cannot tell {name}", expected="a tag of the streaming subset",
                got=reason, where=f"tag {name}", todo="see docs/streaming_tags.md",
            )
        return book(subset.tags, zone)

    def read(self, rules: InForce, source: str, value: bytes, received_at: int) -> Event | None:
        """The event of a line, None where no tag asks for it, or ingest would refuse it."""
        read = rules.readers.get(source)
        return None if read is None else read(value, received_at)

    def happened(
        self, state: State | None, event: Event, passed: int, rules: InForce
    ) -> Moved[State]:
        """The bundle after ``event``; values are as of the latest date known to have begun."""
        ready = rules.book
        today = max(event.received, self._day_of(passed) if passed > 0 else 0)
        if state is None:
            state = State(today)
        outs = self._until(today, event.key, state, ready)
        cause = f"{event.source}\x1f{event.id}"
        changes = step(state, event, ready)
        at = max(event.at, self._begin(state.day))
        outs += _outs(event.key, cause, at, changes, state, ready)
        return Moved(state, outs, self._begin(state.day + 1))

    def passed(self, state: State, key: str, at: int, rules: InForce) -> Moved[State]:
        """The bundle when everything up to ``at`` has come."""
        ready = rules.book
        outs = self._until(self._day_of(at), key, state, ready)
        if is_empty(state):
            return Moved(None, outs, None)
        due = [next_change(state, ready), _forgets(state, ready)]
        known = [day for day in due if day is not None]
        return Moved(state, outs, self._begin(min(known)) if known else None)

    def _day_of(self, at: int) -> int:
        return day_of(self._programme.zone, at)

    def _begin(self, day: int) -> int:
        return begin_of(self._programme.zone, day)

    def _until(self, day: int, key: str, state: State, ready: Book) -> list[Out]:
        """Let every date up to ``day`` begin, so that each change bears the date it is of.

        However late a host wakes a key, it says the same.
        """
        outs: list[Out] = []
        while state.day < day:
            due = next_change(state, ready)
            on = day if due is None else min(due, day)
            changes = advance(state, on, ready)
            outs += _outs(key, "", self._begin(on), changes, state, ready)
        return outs


def tag(name: str, said: bytes) -> Tag:
    """The tag ``name`` from its JSON; ConfigError when it is none."""
    try:
        return msgspec.json.decode(said, type=Tag)
    except (msgspec.DecodeError, ValueError) as error:
        raise ConfigError(
            "a definition of a tag cannot be read", expected="the JSON of a tag",
            got=str(error), where=f"tag {name}", todo="see docs/definitions.md",
        ) from error


def definitions(tags: Iterable[Tag]) -> dict[str, bytes]:
    """Tags as they travel, by name."""
    return {one.name: msgspec.json.encode(one) for one in tags}


def _forgets(state: State, rules: Book) -> int | None:
    """The date on which an id of an event need not be remembered any longer."""
    oldest = min(state.ids.values(), default=None)
    return None if oldest is None else max(oldest + rules.repeats_days, state.day) + 1


def _outs(
    key: str, cause: str, at: int, changes: Mapping[str, Any], state: State, rules: Book
) -> Iterator[Out]:
    for tag, value in changes.items():
        as_of = _date(state.day)
        words = "\x1f".join((key, tag, as_of, cause))
        name = hashlib.sha256(words.encode()).hexdigest()[:32]
        said = {
            "id": name, "bundle_id": key, "tag": tag, "value": shown(value, rules.told[tag]),
            "as_of": as_of,
        }
        yield Out(name, key, at, msgspec.json.encode(said))


def _date(day: int) -> str:
    return date.fromordinal(day).isoformat()
