"""The pure step of a bundle's tags: an event comes, or a date begins, and values change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import msgspec

from pipelines.tags.streaming.book import Book, Told, Tracked
from pipelines.tags.streaming.days import Kept, Part, merge, put
from pipelines.tags.streaming.formulas import NOTHING
from pipelines.tags.streaming.numbers import day_in
from pipelines.tags.streaming.rows import Event
from pipelines.tags.streaming.runs import add, without
from pipelines.tags.windows import beginning, span


class State(msgspec.Struct, array_like=True):
    """A bundle on a business date: its measures by id, and what of its values was told."""

    day: int
    """Its values are of this date (an ordinal); it never goes back."""
    kept: dict[str, Kept] = {}
    ids: dict[str, int] = {}
    """Events that came, by source and id, with the date of their receipt."""
    told: dict[str, Any] = {}
    """Values that differ from those of nothing; dates are ordinals."""


Changes = dict[str, Any]
"""Values that are other than those told before, by tag; dates are ordinals."""


def step(state: State, event: Event, book: Book) -> Changes:
    """Take ``event`` into ``state``; returns the values of ``state.day`` that changed by it.

    A repeat (same source and id) changes nothing. What is of a later date than ``state.day``
    waits for it.
    """
    name = f"{event.source}\x1f{event.id}"
    if name in state.ids:
        return {}
    state.ids[name] = event.received
    touched: list[str] = []
    for tracked in book.concerned(event):
        value = tracked.take(event)
        if value is not None:
            _put(state, tracked, event, value)
            touched.append(tracked.id)
    if len(touched) == 1:
        return _changes(state, book, book.follows[touched[0]])
    names = {one.name for measure in touched for one in book.follows[measure]}
    return _changes(state, book, (one for name, one in book.told.items() if name in names))


def advance(state: State, day: int, book: Book) -> Changes:
    """Let the date ``day`` begin; returns the values that are other on it than before.

    What no window of ``day`` or later holds is put together, or dropped; a date that is not after
    ``state.day`` changes nothing.
    """
    if day <= state.day:
        return {}
    state.day = day
    since = day - book.repeats_days
    state.ids = {name: on for name, on in state.ids.items() if on >= since}
    state.kept = {name: one for name, one in state.kept.items() if name in book.tracked}
    state.told = {name: one for name, one in state.told.items() if name in book.told}
    for name, kept in state.kept.items():
        _fold(kept, book.tracked[name], day)
    return _changes(state, book, book.told.values())


def values(state: State, book: Book, day: int | None = None) -> dict[str, Any]:
    """Every tag's value on ``day`` (default ``state.day``, and never before it); dates are dates.

    The same as the daily run gives to a person of this bundle alone.
    """
    on = state.day if day is None else day
    assert on >= state.day, "a state has let go of what earlier dates ask for"
    found: dict[str, Any] = {}
    for told in book.told.values():
        found[told.name] = told.turn(found, _raw(state, told, on))
    return {name: shown(value, book.told[name]) for name, value in found.items()}


def shown(value: Any, told: Told) -> Any:
    """A value as the daily run has it."""
    return date.fromordinal(value) if told.is_date and value is not None else value


def is_empty(state: State) -> bool:
    """Whether nothing is left that a later value depends on."""
    return not (state.told or state.ids or any(
        kept.days or kept.before or kept.dates for kept in state.kept.values()
    ))


def next_change(state: State, book: Book) -> int | None:
    """The first date after ``state.day`` on which a value may be other; None if there is none.

    It may name a date too early, never one too late.
    """
    found = [
        one for name, kept in state.kept.items() if name in book.tracked
        for one in _next(kept, book.tracked[name], state.day)
    ]
    return min(found, default=None)


def _put(state: State, tracked: Tracked, event: Event, value: int | str) -> None:
    kept = state.kept.get(tracked.id)
    if kept is None:
        kept = state.kept[tracked.id] = Kept({})
    if tracked.keeps_dates:
        add(kept.dates, event.day)
    if not tracked.kinds:
        return
    part = kept.days.get(event.day)
    if part is None:
        part = Part()
        if _is_kept_apart(tracked, event.day, state.day):
            kept.days[event.day] = part
        elif tracked.has_ever:
            part = kept.before = kept.before or part
    put(part, tracked.kinds, value, tracked.text(value), event.at, tracked.is_decimal)


def _is_kept_apart(tracked: Tracked, day: int, on: int) -> bool:
    return day >= tracked.horizon(on) or tracked.is_apart(day)


def _fold(kept: Kept, tracked: Tracked, day: int) -> None:
    horizon = tracked.horizon(day)
    for on in [on for on in kept.days if on < horizon and not tracked.is_apart(on)]:
        part = kept.days.pop(on)
        if tracked.has_ever:
            kept.before = kept.before or Part()
            merge(kept.before, part)
    if not tracked.dates_ever:
        firsts = [first for first, _ in tracked.between]
        kept.dates = without(kept.dates, min([horizon, *firsts]))


def _raw(state: State, told: Told, day: int) -> Any:
    if told.measure is None:
        return None
    return told.measure(state.kept.get(told.measure_id, NOTHING), day)


def _changes(state: State, book: Book, some: Iterable[Told]) -> Changes:
    found = book.nothing | state.told
    changes: Changes = {}
    for told in some:
        name = told.name
        value = told.turn(found, _raw(state, told, state.day))
        # A number that was whole and is now 1.0 is the same; true and 1 never meet in a tag.
        if value == found[name]:
            continue
        changes[name] = found[name] = value
        if value == book.nothing[name]:
            state.told.pop(name, None)
        else:
            state.told[name] = value
    return changes


def _next(kept: Kept, tracked: Tracked, day: int) -> Iterable[int]:
    coming = _earliest(kept, day + 1)
    if coming is not None:
        yield coming
    on = date.fromordinal(day)
    if tracked.keeps_dates and _earliest(kept, 0) is not None:
        yield day + 1
    for moment in (kept.before, *kept.days.values()):
        if moment is not None and moment.last is not None:
            since = day_in(moment.last[1])
            if since is not None:
                yield _birthday(since, day)
    for window in tracked.moving:
        first = span(window, on).first
        held = _earliest(kept, first.toordinal()) if first is not None else None
        if held is None:
            continue
        if window.days is not None:
            yield max(held + window.days, day + 1)
        else:
            unit = window.this or window.previous
            assert unit is not None
            later = day + 1
            while beginning(date.fromordinal(later), unit) != date.fromordinal(later):
                later += 1
            yield later


def _birthday(since: int, day: int) -> int:
    """The first date after ``day`` on which whole years since ``since`` are one more."""
    if since > day:
        return since
    then, now = date.fromordinal(since), date.fromordinal(day)
    is_leap_day = (then.month, then.day) == (2, 29)
    for year in (now.year, now.year + 1):
        is_leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
        on = date(year, 3, 1) if is_leap_day and not is_leap else then.replace(year=year)
        if on > now:
            return on.toordinal()
    return day + 1


def _earliest(kept: Kept, first: int) -> int | None:
    days = [on for on in kept.days if on >= first]
    days += [max(run[0], first) for run in kept.dates if run[1] >= first]
    return min(days, default=None)
