"""Who is in an audience the slow way: one person at a time, in plain loops, every way tried."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from schemas.audiences import Audience, Condition, Step
from schemas.audiences import Sequence as Steps
from schemas.measured import Measured
from schemas.tag_definitions import Tag
from tests.oracles import tags_oracle
from tests.oracles.tags_oracle import Row, Stretch, compare


@dataclass(frozen=True)
class World:
    """What is known on ``day``: tags by person, rows with ``id``, whose they are, and lists."""

    day: date
    end: datetime
    tags: Mapping[str, Tag]
    persons: Mapping[str, Mapping[str, Any]]
    numbers: Mapping[str, int]
    rows: Sequence[Row]
    stretches: Sequence[Stretch]
    lists: Mapping[str, set[str]]
    audiences: dict[str, Audience] = field(default_factory=dict)
    found: dict[str, set[int]] = field(default_factory=dict)
    """Members of ``audiences`` that were asked for."""
    measured: dict[int, tuple[Condition, dict[str, Any]]] = field(default_factory=dict)


def members(world: World, audience: Audience) -> set[int]:
    """``person_no`` of who is in it."""
    found = {
        person for person in world.persons
        if (
            holds(world, audience.query, person) is True
            or any(person in world.lists[name] for name in audience.include)
        )
        and not any(person in world.lists[name] for name in audience.exclude)
        and not _held_out(world.numbers[person], audience)
    }
    if audience.top is None:
        return {world.numbers[person] for person in found}
    values = {person: world.persons[person][audience.top.by] for person in found}
    known = [person for person in found if values[person] is not None]
    known.sort(key=lambda person: world.numbers[person])
    known.sort(key=lambda person: values[person], reverse=audience.top.order == "highest")
    return {world.numbers[person] for person in known[: audience.top.n]}


def _held_out(number: int, audience: Audience) -> bool:
    if audience.hold_out is None:
        return False
    digest = hashlib.sha256(f"{audience.hold_out.seed}:{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < int(audience.hold_out.share * 2**64)


def holds(world: World, rule: Condition, person: str) -> bool | None:
    """Whether a condition is true of a person; None where that is unknown."""
    if rule.rules is not None:
        said = [holds(world, part, person) for part in rule.rules]
        if rule.combinator == "and":
            found = False if False in said else None if None in said else True
        else:
            found = True if True in said else None if None in said else False
        return found if found is None or not rule.is_not else not found
    if rule.audience is not None:
        name = rule.audience
        if name not in world.found:
            world.found[name] = members(world, world.audiences[name])
        return world.numbers[person] in world.found[name]
    if rule.sequence is not None:
        return _did_steps(world, rule.sequence, person)
    if rule.did is not None:
        return compare(str(rule.operator), _measured(world, rule, person), rule.value)
    tag = world.tags[rule.field or ""]
    given = rule.value
    if isinstance(given, list):
        given = [_spelt(tag, one) for one in given]
    elif given is not None:
        given = _spelt(tag, given)
    return compare(str(rule.operator), world.persons[person][tag.name], given)


def _measured(world: World, rule: Condition, person: str) -> Any:
    did = rule.did
    assert did is not None
    if id(rule) not in world.measured:
        definition = Measured(
            name="did", source=did.source, types=did.types, where=did.where, window=did.window,
            measure=did.measure, field=did.field, read_as=did.read_as,
        )
        values = tags_oracle.expected(definition, world.rows, world.stretches, world.day)
        world.measured[id(rule)] = (rule, values)
    return world.measured[id(rule)][1][person]


def _spelt(tag: Tag, value: Any) -> Any:
    return date.fromisoformat(value) if tag.type == "date" else tag.map.get(value, value)


def _did_steps(world: World, sequence: Steps, person: str) -> bool:
    """Tries every choice of events."""
    theirs = sorted(
        (row for row in world.rows if row["from"] == "events" and _is_of(world, row, person)),
        key=lambda row: (row["at"], row["id"]),
    )
    return _goes_on(world, sequence, theirs, [])


def _is_of(world: World, row: Row, person: str) -> bool:
    return row["on"] <= world.day and any(
        s.person == person and s.bundle == row["bundle"] and s.first <= row["on"] < s.end
        for s in world.stretches
    )


def _goes_on(
    world: World, sequence: Steps, rows: Sequence[Row], chosen: list[int]
) -> bool:
    if len(chosen) == len(sequence.steps):
        return _is_clear(world, sequence, rows, chosen)
    step = sequence.steps[len(chosen)]
    for place in range(chosen[-1] + 1 if chosen else 0, len(rows)):
        row = rows[place]
        if not _is_step(row, step):
            continue
        if not tags_oracle._is_inside(sequence.window, row["on"], world.day):
            continue
        if chosen and step.within and row["at"] - rows[chosen[-1]]["at"] > _length(step):
            continue
        if _goes_on(world, sequence, rows, [*chosen, place]):
            return True
    return False


def _is_clear(
    world: World, sequence: Steps, rows: Sequence[Row], chosen: list[int]
) -> bool:
    without = sequence.without
    if without is None:
        return True
    if without.within is None:
        return not any(_is_step(row, without) for row in rows[chosen[0] + 1 : chosen[-1]])
    until = rows[chosen[-1]]["at"] + _length(without)
    if until >= world.end:
        return False
    return not any(
        _is_step(row, without) and row["at"] <= until for row in rows[chosen[-1] + 1 :]
    )


def _is_step(row: Row, step: Step) -> bool:
    if row["type"] not in step.types:
        return False
    return step.where is None or tags_oracle.fulfils(row, step.where) is True


def _length(step: Step) -> timedelta:
    count, unit = str(step.within).split()
    return int(count) * {"m": timedelta(minutes=1), "h": timedelta(hours=1),
                         "d": timedelta(days=1)}[unit]
