"""One thing after another: what counts as later, within a time, and not followed by another."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pytest

from pipelines.audiences import Selector
from pipelines.audiences.explain import explain
from tests import tiny
from tests.oracles.audiences_oracle import World
from tests.oracles.tags_oracle import Stretch
from tests.pipelines.audiences import worlds
from tests.pipelines.audiences.test_resolve import audience

# Of each person what happened, and the clock of 29 June, or 30 June after `+`.
PERSONS = {
    "p0": "seen 10:00, paid 12:00",
    "p1": "paid 10:00, seen 12:00",
    "p2": "seen 08:00, seen 11:00, paid 12:00",
    "p3": "seen 10:00, paid 12:00, added 13:00",
    "p4": "seen 10:00, added 11:00, paid 12:00",
    "p5": "seen 23:00, paid +22:00",
    "p6": "seen 10:00",
    "p7": "seen 10:00, added 10:00, paid 10:00",
}


def rows() -> Iterator[dict[str, Any]]:
    number = 0
    for bundle, said in enumerate(PERSONS.values()):
        for one in said.split(", "):
            kind, clock = one.split()
            at = datetime.fromisoformat(f"2017-06-{30 if '+' in clock else 29} {clock.strip('+')}")
            yield {"from": "events", "bundle": bundle, "at": at, "on": at.date(), "type": kind,
                   "id": f"e{number}"}
            number += 1


@pytest.fixture(scope="module")
def selector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Selector]:
    nothing = dict.fromkeys(worlds.VALUES)
    world = World(
        tiny.DAY, datetime(2017, 7, 1), {tag.name: tag for tag in worlds.TAGS},
        dict.fromkeys(PERSONS, nothing), {name: n for n, name in enumerate(PERSONS)},
        list(rows()), [Stretch(n, name) for n, name in enumerate(PERSONS)],
        dict.fromkeys(worlds.LISTS, set()),
    )
    with worlds.put(world, tmp_path_factory.mktemp("steps")) as (draft, bitmaps):
        yield worlds.selector(draft, bitmaps, dataclasses.replace(world, audiences={}))


def did(selector: Selector, *steps: Any, **beside: Any) -> set[str]:
    made = [{"types": [one]} if isinstance(one, str) else one for one in steps]
    one = audience({"sequence": {"steps": made, "window": "ever", **beside}})
    rows = selector.session.rows(selector.query(one))
    assert {number for _, number in rows} == set(selector.members(one))
    return {str(one_id) for one_id, _ in rows}


def test_a_step_comes_after_the_one_before_and_at_one_instant_by_the_id(selector: Selector) -> None:
    assert did(selector, "seen", "paid") == {"p0", "p2", "p3", "p4", "p5", "p7"}
    assert did(selector, "paid", "seen") == {"p1"}
    assert did(selector, "paid", "added") == {"p3"}
    assert did(selector, "seen", "added", "paid") == {"p4", "p7"}
    assert did(selector, "seen", "seen") == {"p2"}


def test_within_is_of_any_step_before_and_to_the_instant(selector: Selector) -> None:
    soon = {"types": ["paid"], "within": "2 h"}
    # The first view of p2 is too old, the second is not.
    assert did(selector, "seen", soon) == {"p0", "p2", "p3", "p4", "p7"}
    assert did(selector, "seen", soon | {"within": "119 m"}) == {"p2", "p7"}
    assert did(selector, "seen", soon | {"within": "23 h"}) >= {"p5"}


def test_without_stands_between_the_steps_or_follows_the_last(selector: Selector) -> None:
    added = {"types": ["added"]}
    assert did(selector, "seen", "paid", without=added) == {"p0", "p2", "p3", "p5"}
    later = added | {"within": "1 h"}
    # What follows p5 within a day is not known yet when the date ends.
    assert did(selector, "seen", "paid", without=later) == {"p0", "p2", "p4", "p5", "p7"}
    assert did(selector, "seen", "paid", without=later | {"within": "1 d"}) == {
        "p0", "p2", "p4", "p7"}
    assert did(selector, "seen", without={"types": ["paid"], "within": "3 h"}) == {
        "p1", "p2", "p5", "p6"}
    # To the instant is inside: the time of p5 must be over before the date ends.
    assert "p5" in did(selector, "seen", "paid", without=later | {"within": "119 m"})
    assert "p5" not in did(selector, "seen", "paid", without=later | {"within": "2 h"})


def test_all_steps_lie_in_the_window(selector: Selector) -> None:
    assert did(selector, "seen", "paid", window={"last": "1 d"}) == set()
    assert did(selector, "paid", window={"last": "1 d"}) == {"p5"}
    month = {"between": [str(date(2017, 6, 29)), str(date(2017, 6, 29))]}
    # What must not follow is looked for after the window too.
    after = {"types": ["paid"], "within": "1 d"}
    assert did(selector, "seen", window=month, without=after) == {"p1", "p6"}


def test_the_times_of_the_steps_are_told(selector: Selector) -> None:
    steps = [{"types": ["seen"]}, {"types": ["paid"], "within": "2 h"}]
    one = audience({"sequence": {"steps": steps, "window": "ever"}})
    verdict = explain(selector, one, 2)
    (told,) = verdict.parts
    assert verdict.holds
    assert told.text == "seen, then paid within 2 h (ever)"
    assert {name: str(at) for name, at in told.values.items()} == {
        "step 1": "2017-06-29 03:00:00+00:00", "step 2": "2017-06-29 04:00:00+00:00"}
    (told,) = explain(selector, one, 1).parts
    assert (told.holds, told.values) == (False, {})
