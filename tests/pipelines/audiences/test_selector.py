"""Audiences of a date: what is kept, what is missing, who is held out and first."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from domain.hold_out import is_held_out
from pipelines.audiences import Selector, member_query, version
from pipelines.audiences.words import words
from schemas.audiences import Audience
from schemas.errors import ConfigError, NotFoundError, UsageError
from tests import tiny
from tests.oracles.audiences_oracle import World, members
from tests.pipelines.audiences import worlds
from tests.pipelines.audiences.test_resolve import audience, deep, leaf

KNOWN = leaf("points", "notNull")
LOST = tiny.tag("lost", of="points")


@pytest.fixture(scope="module")
def world() -> World:
    return worlds.some_world(99)


@pytest.fixture(scope="module")
def selector(tmp_path_factory: pytest.TempPathFactory, world: World) -> Iterator[Selector]:
    world.audiences["known"] = audience(KNOWN, "known")
    with worlds.put(world, tmp_path_factory.mktemp("selector")) as (draft, bitmaps):
        made = worlds.selector(draft, bitmaps, world)
        yield Selector(
            made.session, bitmaps, world.day, [*worlds.TAGS, LOST],
            list(world.audiences.values()), zone=tiny.ZONE,
        )


def both(selector: Selector, one: Audience) -> set[int]:
    found = set(selector.members(one))
    rows = selector.session.rows(selector.query(one))
    assert {number for _, number in rows} == found
    return found


def test_a_hundred_groups_give_what_one_gives(selector: Selector, world: World) -> None:
    assert both(selector, audience(deep(100))) == members(world, audience(deep(0)))
    turned = audience({"combinator": "and", "not": True, "rules": [deep(99)]})
    known = members(world, audience(leaf("level", "notNull")))
    assert both(selector, turned) == known - both(selector, audience(deep(0)))


def test_a_part_is_held_out_and_stays_so(selector: Selector) -> None:
    everyone = audience({"combinator": "or", "rules": [KNOWN, leaf("points", "null")]})
    half = msgspec.convert({"share": 0.5, "seed": "spring's"}, type(everyone.hold_out) | Any)
    half = audience(KNOWN, hold_out={"share": 0.5, "seed": "spring's"})
    out = both(selector, audience(KNOWN)) - both(selector, half)
    assert out == {n for n in both(selector, audience(KNOWN)) if is_held_out(n, "spring's", 0.5)}
    assert 5 < len(out) < 30
    assert sum(is_held_out(n, "s", 0.1) for n in range(20_000)) == pytest.approx(2_000, abs=150)
    assert both(selector, everyone) == set(selector.bitmaps.everyone())


def test_the_first_by_a_tag_are_ordered_after_all_else(selector: Selector, world: World) -> None:
    for by, order in (("points", "highest"), ("level", "lowest"), ("since", "highest")):
        for n in (1, 7, 1_000):
            one = audience(KNOWN, top={"n": n, "by": by, "order": order}, exclude=["vip"])
            found = both(selector, one)
            assert found == members(world, one)
            assert len(found) <= n


def test_audiences_by_name_are_kept_and_others_named(selector: Selector) -> None:
    assert selector.members("known") is selector.members("known")
    assert selector.members(audience(KNOWN, "known")) is selector.members("known")
    assert selector.contains("known", selector.members("known")[0])
    with pytest.raises(NotFoundError, match="no audience 'konwn'(.|\n)*did you mean `known`"):
        selector.members("konwn")


def test_a_sample_is_the_same_for_a_seed(selector: Selector) -> None:
    chosen = selector.sample("known", 5, "s")
    assert chosen == selector.sample("known", 5, "s") == sorted(set(chosen))
    assert chosen != selector.sample("known", 5, "t")
    assert set(chosen) <= set(selector.members("known")) == set(selector.sample("known", 999, "s"))
    with pytest.raises(UsageError, match="a sample of nobody"):
        selector.sample("known", 0, "s")


def test_a_tag_that_is_not_published_and_a_list_that_is_not_are_told(selector: Selector) -> None:
    lost = audience(leaf("lost", "=", 1))
    for ask in (selector.members, selector.query):
        with pytest.raises(NotFoundError, match="tag lost is not published of 2017-06-30"):
            ask(lost)
    with pytest.raises(ConfigError, match="no list 'vpi'(.|\n)*did you mean `vip`"):
        selector.members(audience(KNOWN, exclude=["vpi"]))


def test_a_renamed_tag_is_found_under_its_former_name(selector: Selector) -> None:
    renamed = tiny.tag("marks", of="level", formerly=["points"])
    later = Selector(
        selector.session, selector.bitmaps, selector.date, [renamed], [], zone=tiny.ZONE
    )
    assert both(later, audience(leaf("marks", ">", 50))) == both(
        selector, audience(leaf("points", ">", 50)))


def test_a_query_without_bitmaps_is_the_same(selector: Selector) -> None:
    one = audience({"audience": "known"})
    others = list(selector.audiences.values())
    made = member_query(
        selector.session, one, selector.date, selector.tags, others, zone=tiny.ZONE
    )
    assert made == selector.query(one)


def test_everything_that_an_audience_says_changes_its_version() -> None:
    plain = audience(KNOWN)
    others = [
        audience(KNOWN, "b"), audience(KNOWN, include=["vip"]), audience(KNOWN, exclude=["vip"]),
        audience(KNOWN, hold_out={"share": 0.1, "seed": "s"}),
        audience(KNOWN, top={"n": 3, "by": "points"}),
    ]
    assert len({version(one) for one in [plain, *others]}) == 6
    same = audience({**KNOWN, "id": "x", "valueSource": "value"}, label="another")
    assert version(same) == version(plain)


def test_a_version_is_of_those_too_that_it_stands_on() -> None:
    low, below = audience(KNOWN, "low"), audience({"audience": "low"}, "below")
    above = audience({"audience": "below"}, "above")
    changed = audience(leaf("points", "null"), "low")
    relabelled = audience(KNOWN, "low", label="another")
    every = [low, below, above]
    assert version(above, every) != version(above, [changed, below, above])
    assert version(above, every) == version(above, [above, relabelled, audience(KNOWN, "x"), below])
    assert version(low, every) == version(low) != version(above, every)
    assert version(below, every) != version(below)
    ring = audience({"audience": "above"}, "low")
    assert version(above, [ring, below, above]) != version(above, every)


def test_a_tree_too_deep_has_no_version() -> None:
    with pytest.raises(ConfigError, match="too deep(.|\n)*audience a"):
        version(audience(deep(400)))


def test_all_of_an_audience_is_said_in_words() -> None:
    steps = {"steps": [{"types": ["seen"]}, {"types": ["paid"], "within": "2 d"}],
             "without": {"types": ["gone"]}, "window": {"last": "30 d"}}
    rules = [
        leaf("city", "in", ["北京", "上海"]), leaf("is_new", "=", False), {"sequence": steps},
        {"did": {"types": ["seen"], "where": leaf("k", "=", "x"), "window": {"this": "month"}},
         "operator": ">", "value": 3},
        {"did": {"measure": "avg", "field": "n", "as": "integer", "window": "ever"},
         "operator": "between", "value": [1, 2]},
        {"combinator": "or", "not": True, "rules": [leaf("level", "null"), {"audience": "b"}]},
    ]
    one = audience(
        {"combinator": "and", "rules": rules}, include=["vip"], exclude=["blocked"],
        hold_out={"share": 0.1, "seed": "s"}, top={"n": 3, "by": "points", "order": "lowest"},
    )
    assert words(one, {"city": "City", "points": "Points"}) == (
        "City is one of 北京, 上海", "not: is_new",
        "seen, then paid within 2 d, without gone between (last 30 d)",
        "seen where k is x: count (this month) over 3",
        "average n of any event (ever) is between 1 and 2",
        "not (level is unknown or in the audience b)",
        "or on the list vip", "not on the list blocked", "without 0.1 of them by chance",
        "of these the 3 lowest by Points",
    )
