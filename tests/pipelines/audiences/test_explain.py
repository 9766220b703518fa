"""Why somebody is in an audience: every verdict is what the plans chose by."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from pipelines.audiences.explain import Verdict, explain
from schemas.audiences import Condition
from schemas.errors import NotFoundError
from tests.oracles.audiences_oracle import World, holds, members
from tests.pipelines.audiences import worlds
from tests.pipelines.audiences.test_resolve import audience, leaf


def require_same(world: World, rule: Condition, verdict: Verdict, person: str) -> None:
    assert verdict.holds is holds(world, rule, person), (rule, verdict)
    for inner, part in zip(rule.rules or [], verdict.parts, strict=rule.rules is not None):
        require_same(world, inner, part, person)


def test_every_verdict_is_what_a_loop_says(tmp_path: Path) -> None:
    world, draw = worlds.some_world(7), random.Random(7)
    for number in range(8):
        name = f"a{number}"
        world.audiences[name] = worlds.some_audience(draw, name, list(world.audiences)[-3:])
    with worlds.put(world, tmp_path) as (draft, bitmaps):
        selector = worlds.selector(draft, bitmaps, world)
        for name, one in world.audiences.items():
            inside = members(world, one)
            for person in draw.sample(list(world.persons), 2):
                verdict = explain(selector, name, world.numbers[person])
                require_same(world, one.query, verdict.parts[0], person)
                assert verdict.holds is (world.numbers[person] in inside), (one, verdict)


def test_values_lists_chance_and_order_are_told(tmp_path: Path) -> None:
    world = worlds.some_world(3)
    person, number = next(
        (name, world.numbers[name]) for name, tags in world.persons.items()
        if tags["city"] is None and tags["points"] is not None
    )
    world.lists["vip"].add(person)
    rules = [leaf("city", "=", "Beijing"), {"did": {"window": "ever"}, "operator": "<", "value": 1}]
    one = audience(
        {"combinator": "and", "not": True, "rules": rules}, include=["vip"], exclude=["blocked"],
        hold_out={"share": 0.5, "seed": "s"}, top={"n": 40, "by": "points"},
    )
    with worlds.put(world, tmp_path) as (draft, bitmaps):
        selector = worlds.selector(draft, bitmaps, world)
        verdict = explain(selector, one, number)
        assert verdict.holds is (number in selector.members(one))
        with pytest.raises(NotFoundError, match="no person of 2017-06-30 has the number 4242"):
            explain(selector, one, 4242)
    query, vip, blocked, chance, top = verdict.parts
    assert query.text == "not all of"
    assert (query.parts[0].holds, query.parts[0].values) == (None, {"city": None})
    assert set(query.parts[1].values) == {"count"}
    assert (vip.text, vip.holds) == ("or on the list vip", True)
    assert (blocked.text, blocked.holds) == (
        "not on the list blocked", person not in world.lists["blocked"])
    assert chance.text == "not held out by chance (0.5)"
    assert (top.text, top.values) == (
        "among the 40 highest by points", {"points": world.persons[person]["points"]})
