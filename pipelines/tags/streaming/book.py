"""The tags of a stream made ready: what each event gives to which measure, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Any

from pipelines.tags.cells import OF_VALUES, Cell, cells_of
from pipelines.tags.streaming.formulas import NOTHING, Measure, Turn, measured, turned
from pipelines.tags.streaming.rows import Event, Products, Take, shown, taken
from pipelines.tags.vocabulary import fields_of, references
from pipelines.tags.windows import AnyWindow, span
from schemas.tag_definitions import Tag
from schemas.windows import Window

_OF_PARTS = ("count", "sum", "least", "most", "first", "last")
_ANY_DAY = date(2000, 1, 1).toordinal()
REPEATS_DAYS = 31
"""Business dates of receipt for which ids are remembered: a repeat that comes later counts."""


@dataclass(frozen=True)
class Tracked:
    """A measure that is kept by date: of which events, what of it, and how far back."""

    id: str
    types: frozenset[str]
    take: Take
    text: Any
    is_decimal: bool
    kinds: frozenset[str]
    windows: tuple[AnyWindow, ...]
    """Of what is kept in parts, and of dates."""
    keeps_dates: bool
    dates_ever: bool

    @cached_property
    def has_ever(self) -> bool:
        """Whether what leaves the windows is still asked for."""
        return bool(self.kinds) and "ever" in self.windows

    @cached_property
    def between(self) -> list[tuple[int, int]]:
        """The windows from a date to a date."""
        return [
            (one.between[0].toordinal(), one.between[1].toordinal())
            for one in self.windows if isinstance(one, Window) and one.between is not None
        ]

    @cached_property
    def moving(self) -> tuple[Window, ...]:
        """The windows that move on with the date."""
        return tuple(
            one for one in self.windows if isinstance(one, Window) and one.between is None
        )

    def horizon(self, day: int) -> int:
        """The first date that a moving window holds on ``day``, or holds later."""
        return _horizon(self.moving, day)

    def is_apart(self, day: int) -> bool:
        """Whether a window from a date to a date holds ``day``."""
        return any(first <= day <= last for first, last in self.between)


@lru_cache(maxsize=1 << 12)
def _horizon(moving: tuple[Window, ...], day: int) -> int:
    firsts = [span(window, date.fromordinal(day)).first for window in moving]
    return min((one.toordinal() for one in firsts if one is not None), default=day + 1)


@dataclass(frozen=True)
class Told:
    """A tag with the way to its value."""

    name: str
    is_date: bool
    measure_id: str
    measure: Measure | None
    turn: Turn


@dataclass(frozen=True)
class Book:
    """Every tag that the stream tells, made ready."""

    zone: str
    tracked: dict[str, Tracked]
    by_type: dict[str, list[Tracked]]
    any_type: list[Tracked]
    of_lines: list[Tracked]
    told: dict[str, Told]
    follows: dict[str, list[Told]]
    """By measure, the tags that may change with it, each after those it speaks of."""
    nothing: dict[str, Any]
    """The values of a bundle without any row; dates are ordinals."""
    types: frozenset[str] | None
    """Types of the events that are asked for; None when all are."""
    fields: frozenset[str]
    """Fields of events that are asked for."""
    repeats_days: int = REPEATS_DAYS

    def concerned(self, event: Event) -> list[Tracked]:
        """The measures that the event may count for."""
        found: list[Tracked] = []
        if event.type is not None:
            found = self.by_type.get(event.type, self.any_type)
        return found + self.of_lines if event.line is not None else found


def book(
    tags: Sequence[Tag], zone: str, products: Products | None = None,
    repeats_days: int = REPEATS_DAYS,
) -> Book:
    """The tags of a ``Subset`` made ready; ``zone`` is the programme's.

    ConfigError where a definition does not fit.
    """
    tracked = _tracked(tags, products)
    known = {tag.name: tag for tag in tags}
    told = {tag.name: _told(tag, known) for tag in tags}
    plain = [one for one in tracked.values() if _source(one, tags) == "events"]
    any_type = [one for one in plain if not one.types]
    types = sorted({kind for one in plain for kind in one.types})
    by_type = {
        kind: [one for one in plain if not one.types or kind in one.types] for kind in types
    }
    of_lines = [one for one in tracked.values() if one not in plain]
    nothing: dict[str, Any] = {}
    for one in told.values():
        raw = one.measure(NOTHING, _ANY_DAY) if one.measure is not None else None
        nothing[one.name] = one.turn(nothing, raw)
    return Book(
        zone, tracked, by_type, any_type, of_lines, told, _follows(tags, told), nothing,
        None if any_type else frozenset(types), _fields(tags), repeats_days,
    )


def _fields(tags: Sequence[Tag]) -> frozenset[str]:
    of_events = [tag for tag in tags if tag.source == "events"]
    asked = {tag.field for tag in of_events if tag.field is not None}
    return frozenset(asked | fields_of([tag.where for tag in of_events if tag.where is not None]))


def _tracked(tags: Sequence[Tag], products: Products | None) -> dict[str, Tracked]:
    groups: dict[str, list[tuple[Tag, list[Cell]]]] = {}
    for tag in tags:
        if tag.source is not None:
            cells = cells_of(tag)
            groups.setdefault(cells[0].measure.id, []).append((tag, cells))
    found = {}
    for name, group in sorted(groups.items()):
        tag, (cell, *_) = group[0]
        cells = [one for _, some in group for one in some]
        of_parts = [one for one in cells if _kind(one) is not None]
        of_dates = [one for one in cells if _kind(one) is None]
        found[name] = Tracked(
            name, frozenset(tag.types), taken(tag, products), shown(cell.measure),
            cell.measure.type == "decimal",
            frozenset(kind for one in of_parts if (kind := _kind(one)) is not None),
            tuple(dict.fromkeys(one.window for one in cells)),
            bool(of_dates), any(one.window == "ever" for one in of_dates),
        )
    return found


def _kind(cell: Cell) -> str | None:
    """What parts keep for the cell; None when dates are enough."""
    if cell.kind in OF_VALUES:
        return "distinct"
    return cell.kind if cell.kind in _OF_PARTS else None


def _source(tracked: Tracked, tags: Sequence[Tag]) -> str:
    mine = (tag for tag in tags if tag.source and cells_of(tag)[0].measure.id == tracked.id)
    return str(next(mine).source)


def _told(tag: Tag, known: dict[str, Tag]) -> Told:
    is_measured = tag.source is not None
    return Told(
        tag.name, tag.type == "date",
        cells_of(tag)[0].measure.id if is_measured else "",
        measured(tag) if is_measured else None, turned(tag, known),
    )


def _follows(tags: Sequence[Tag], told: dict[str, Told]) -> dict[str, list[Told]]:
    of_measures: dict[str, set[str]] = {}
    for tag in tags:
        found = {told[tag.name].measure_id} - {""}
        for name in references(tag):
            found |= of_measures[name]
        of_measures[tag.name] = found
    follows: dict[str, list[Told]] = {}
    for tag in tags:
        for measure_id in of_measures[tag.name]:
            follows.setdefault(measure_id, []).append(told[tag.name])
    return follows
