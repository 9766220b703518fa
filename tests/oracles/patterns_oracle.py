"""What a pattern says of a complete history, by its definition: the slow and plain way."""

from __future__ import annotations

from collections.abc import Sequence

from domain.arriving import Happened
from domain.holding import holds
from schemas.patterns import Event, Pattern, seconds

Said = tuple[str, str, str, int]
"""Pattern, key, value of its ``per``, beginning."""


def matches(history: Sequence[Happened], patterns: Sequence[Pattern], until: int) -> set[Said]:
    """The matches that are over by ``until``, out of the whole history up to then."""
    found: set[Said] = set()
    for pattern in patterns:
        for key in {event.key for event in history}:
            mine = [event for event in history if event.key == key]
            for part in _parts(mine, pattern):
                found |= {
                    (pattern.name, key, part, began)
                    for began in _beginnings(_of_part(mine, pattern, part), pattern, until)
                }
    return found


def is_of(event: Happened, asked: Event | None) -> bool:
    """Whether an event is one that is asked for."""
    if asked is None or event.type not in asked.types:
        return False
    test = holds(asked.where, "here")
    return test is None or test(event.properties)


def _parts(mine: list[Happened], pattern: Pattern) -> set[str]:
    if pattern.per is None:
        return {""}
    return {value for event in mine if (value := event.properties.get(pattern.per, ""))}


def _of_part(mine: list[Happened], pattern: Pattern, part: str) -> list[Happened]:
    if pattern.per is None:
        return mine
    return [
        event for event in mine
        if event.properties.get(pattern.per, "") == part
        or (not event.properties.get(pattern.per) and not is_of(event, pattern.begins))
    ]


def _beginnings(mine: list[Happened], pattern: Pattern, until: int) -> list[int]:
    """When each match began: the timeline is walked instant by instant."""
    after = seconds(pattern.after) * 1_000_000
    within = seconds(pattern.begins.within) * 1_000_000 if pattern.begins.within else 0
    begins = {(e.at, e.id) for e in mine if is_of(e, pattern.begins)}
    cancels = {(e.at, e.id) for e in mine if is_of(e, pattern.cancelled)}
    found: list[int] = []
    running: int | None = None
    counted: list[int] = []
    for at in sorted({at for at, _ in begins | cancels}):
        if running is not None and at > running + after:
            found.append(running)
            running = None
        both = [one for one in begins & cancels if one[0] == at]
        only = [one for one in begins - cancels if one[0] == at]
        for cleans, count in ((True, both), (False, only)):
            for _ in count:
                if cleans:
                    running, counted = None, []
                if running is None:
                    counted.append(at)
                    if sum(one >= at - within for one in counted) >= pattern.begins.times:
                        running, counted = at, []
                elif pattern.begins.counts_from == "last":
                    running = at
        if any(one[0] == at for one in cancels - begins):
            running, counted = None, []
    if running is not None and running + after <= until:
        found.append(running)
    return [began for began in found if began + after <= until]
