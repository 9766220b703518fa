"""Patterns with absence as a pure step per key: it began, and what should have followed did not.

What may still come late is kept until everything up to then has come; only then is it judged, in
the order of its own times. So any order of arrival within the allowed lateness gives the same
matches, and an event past a deadline never saves what was over before it.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from domain import holding
from domain.arriving import Happened
from domain.keyed import Moved, Out
from schemas.patterns import Pattern, seconds

SECOND = 1_000_000
_BOTH, _BEGINS, _CANCELS = 0, 1, 2
"""What an event does, in the order of events of one instant: one that does both cancels first."""
_MANY = 16
"""So many kept events of a course are worth looking at what is settled already."""
_SEPARATOR = "\x1f"

Test = Callable[[Mapping[str, str]], bool]
Kept = tuple[int, int, str]
"""An event that may still be overtaken: time, what it does, id."""


class Watched(NamedTuple):
    """A pattern made ready; times in microseconds."""

    name: str
    stamp: str
    label: str
    times: int
    within: int
    after: int
    is_restarting: bool
    per: str | None


class Part(NamedTuple):
    """What events of one type do to one pattern."""

    watched: Watched
    begins: bool
    begins_where: Test | None
    cancels: bool
    cancels_where: Test | None
    always: int | None
    """What every event of the type does, where no condition is asked."""


class Rules(NamedTuple):
    """Every pattern in force: by name, and by the type of event that concerns it."""

    patterns: dict[str, Watched]
    parts: dict[str, list[Part]]
    fields: frozenset[str]
    """The properties that any of them asks for."""


class Course(msgspec.Struct, array_like=True):
    """How far one pattern has come for one key (and one value of its ``per``)."""

    stamp: str
    settled: int
    """Up to here everything is judged."""
    kept: list[Kept]
    counted: list[int]
    began: int | None = None


class State(msgspec.Struct, array_like=True):
    """The courses of one key, by pattern, or pattern and value."""

    courses: dict[str, Course]


def ready(definitions: Mapping[str, Pattern]) -> Rules:
    """The patterns of ``definitions`` made ready; ConfigError where a condition is wrong."""
    patterns: dict[str, Watched] = {}
    parts: dict[str, list[Part]] = {}
    fields: set[str] = set()
    for name, given in sorted(definitions.items()):
        watched = patterns[name] = _watched(given)
        begins_where = holding.holds(given.begins.where, f"pattern {name}, begins")
        cancels = given.cancelled.types if given.cancelled else []
        where = given.cancelled.where if given.cancelled else None
        cancels_where = holding.holds(where, f"pattern {name}, cancelled")
        fields |= {*holding.fields(given.begins.where), *holding.fields(where)}
        fields |= {given.per} if given.per else set()
        for kind in {*given.begins.types, *cancels}:
            part = Part(
                watched, kind in given.begins.types, begins_where, kind in cancels, cancels_where,
                None,
            )
            if begins_where is None and cancels_where is None:
                part = part._replace(always=_does(part, {}))
            parts.setdefault(kind, []).append(part)
    return Rules(patterns, parts, frozenset(fields))


def _watched(given: Pattern) -> Watched:
    stamp = hashlib.sha256(msgspec.json.encode(given)).hexdigest()[:8]
    within = seconds(given.begins.within) if given.begins.within else 0
    return Watched(
        given.name, stamp, given.label, given.begins.times, within * SECOND,
        seconds(given.after) * SECOND, given.begins.counts_from == "last", given.per,
    )


def happened(state: State | None, event: Happened, passed: int, rules: Rules) -> Moved[State]:
    """The key after ``event``, which is new or comes late; ``passed`` is how far all has come."""
    parts = rules.parts.get(event.type)
    if not parts:
        return Moved(state, (), None)
    state = state or State({})
    courses = state.courses
    outs: list[Out] = []
    wake: int | None = None
    for part in parts:
        watched, does = part.watched, part.always
        if does is None:
            does = _does(part, event.properties)
            if does is None:
                continue
        names: Sequence[str] = (watched.name,)
        if watched.per is not None:
            names = _concerned(watched, event, does, state)
        for name in names:
            course = courses.get(name)
            if course is None or course.stamp != watched.stamp:
                course = courses[name] = Course(watched.stamp, passed, [], [])
            _note(course, event.at, does, event.id, watched)
            if len(course.kept) > _MANY and course.kept[0][0] <= passed:
                outs += _settled(course, passed, watched, event.key, name)
            following = _following(course, watched)
            if following is None:
                del courses[name]
            elif wake is None or following < wake:
                wake = following
    return Moved(state if courses else None, outs, wake)


def elapsed(state: State, key: str, at: int, rules: Rules) -> Moved[State]:
    """The key when everything up to ``at`` has come: what is over by then is a match."""
    outs: list[Out] = []
    wake: int | None = None
    for name in sorted(state.courses):
        course = state.courses[name]
        watched = rules.patterns.get(name.partition(_SEPARATOR)[0])
        if watched is None or watched.stamp != course.stamp:
            del state.courses[name]
            continue
        outs += _settled(course, at, watched, key, name)
        following = _following(course, watched)
        if following is None:
            del state.courses[name]
        elif wake is None or following < wake:
            wake = following
    return Moved(state if state.courses else None, outs, wake)


def _does(part: Part, properties: Mapping[str, str]) -> int | None:
    begins = part.begins and (part.begins_where is None or part.begins_where(properties))
    cancels = part.cancels and (part.cancels_where is None or part.cancels_where(properties))
    if begins:
        return _BOTH if cancels else _BEGINS
    return _CANCELS if cancels else None


def _concerned(watched: Watched, event: Happened, does: int, state: State) -> Sequence[str]:
    """The names of the courses that the event belongs to."""
    value = event.properties.get(watched.per or "")
    if value:
        return (watched.name + _SEPARATOR + value,)
    if does == _BEGINS:
        return ()
    begin = watched.name + _SEPARATOR
    return [name for name in state.courses if name.startswith(begin)]


def _note(course: Course, at: int, does: int, event_id: str, watched: Watched) -> None:
    if at <= course.settled:
        _note_late(course, at, does, watched)
        return
    kept, one = course.kept, (at, does, event_id)
    if not kept or kept[-1] < one:
        kept.append(one)
    elif kept[bisect_left(kept, one)] != one:
        insort(kept, one)


def _note_late(course: Course, at: int, does: int, watched: Watched) -> None:
    """What comes too late begins nothing, but still saves what has not been said."""
    if does != _BEGINS:
        course.counted = [time for time in course.counted if time > at]
    if course.began is None or not course.began <= at <= course.began + watched.after:
        return
    if does == _CANCELS:
        course.began = None
    elif watched.is_restarting or does == _BOTH:
        course.began = at


def _settled(course: Course, upto: int, watched: Watched, key: str, name: str) -> list[Out]:
    """Judge what has all come; returns the matches."""
    outs: list[Out] = []
    kept = course.kept
    due = bisect_left(kept, (upto + 1, _BOTH, ""))
    began, after = course.began, watched.after
    for at, does, _ in kept[:due]:
        if began is not None and at > began + after:
            outs.append(_match(watched, key, name, began))
            began = None
        if does != _BEGINS:
            began = None
            course.counted = []
        if does == _CANCELS or (began is not None and not watched.is_restarting):
            continue
        if began is not None or _has_begun(course, at, watched):
            began = at
    course.kept = kept[due:]
    if began is not None and upto >= began + after:
        outs.append(_match(watched, key, name, began))
        began = None
    course.began, course.settled = began, max(upto, course.settled)
    since = upto - watched.within
    if course.counted and course.counted[0] < since:
        course.counted = [time for time in course.counted if time >= since]
    return outs


def _has_begun(course: Course, at: int, watched: Watched) -> bool:
    if watched.times == 1:
        return True
    counted = [time for time in course.counted if time >= at - watched.within]
    counted.append(at)
    is_enough = len(counted) >= watched.times
    course.counted = [] if is_enough else counted
    return is_enough


def _following(course: Course, watched: Watched) -> int | None:
    """When the course must be looked at again at the latest; None when nothing is left of it."""
    if course.began is not None:
        return course.began + watched.after
    if course.kept:
        first, does, _ = course.kept[0]
        return first + (0 if does == _CANCELS else watched.after)
    return course.counted[-1] + watched.within + 1 if course.counted else None


def _match(watched: Watched, key: str, name: str, began: int) -> Out:
    value = name.partition(_SEPARATOR)[2]
    words = (watched.name, watched.stamp, key, value, str(began))
    match_id = hashlib.sha256(_SEPARATOR.join(words).encode()).hexdigest()[:32]
    said = {
        "id": match_id, "pattern": watched.name, "version": watched.stamp, "key": key,
        **({watched.per: value} if watched.per else {}),
        "began_at": iso(began), "matched_at": iso(began + watched.after),
    }
    return Out(match_id, key, began + watched.after, msgspec.json.encode(said))


def iso(at: int) -> str:
    """The instant in UTC as ISO 8601, to the microsecond."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
