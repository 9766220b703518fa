"""A stream of shuffled, late and repeated events tells what the daily run tells, on any date."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from domain.dates import business_date
from pipelines.tags import declared
from pipelines.tags.streaming import (
    Book,
    Event,
    State,
    advance,
    book,
    chosen,
    next_change,
    step,
    values,
)
from pipelines.tags.streaming.step import shown
from schemas.tag_definitions import Tag, TagFile
from tests.pipelines.tags.streaming.batch import EPOCH, batch
from tests.pipelines.tags.worlds import some_tags
from tests.tiny import tag

ZONES = ("Asia/Shanghai", "Europe/Berlin", "America/New_York")
FIRST = {"Asia/Shanghai": date(2017, 6, 1), "Europe/Berlin": date(2017, 3, 10),
         "America/New_York": date(2017, 10, 20)}
"""So that the dates of 23 and 25 hours lie among those of Berlin and New York."""
DAYS = 40
PRODUCTS: dict[str, dict[str, str | None]] = {
    name: {"department": None if name == "P-SALT" else "D", "category": name[2:]}
    for name in ("P-TEA", "P-COFFEE", "P-SALT")
}
NUMBER, TEXT, BOOLEAN = {"type": "number"}, {"type": "text"}, {"type": "boolean"}


def turns(names: list[Tag], draw: random.Random) -> list[Tag]:
    """Tags of tags over the measures there are."""
    integers = [one.name for one in names if one.type == "integer"]
    numbers = [one.name for one in names if one.type in ("integer", "number")]
    texts = [one.name for one in names if one.type == "text"]
    lists = [one.name for one in names if one.type == "texts"]

    def leaf() -> dict[str, Any]:
        operator = draw.choice(["=", "!=", "<", ">=", "in", "notIn", "between", "null", "notNull"])
        given: dict[str, Any] = {"field": draw.choice(integers), "operator": operator}
        value = draw.randrange(-3, 9)
        lists = {"in": [value, 1], "notIn": [value, 0], "between": [value, value + 5]}
        if not operator.endswith("ull"):
            given["value"] = lists.get(operator, value)
        return given

    def tree() -> dict[str, Any]:
        return {"combinator": draw.choice(["and", "or"]), "not": draw.random() < 0.3,
                "rules": [leaf(), leaf(), {"combinator": "or", "rules": [leaf(), leaf()]}]}

    made = [tag(f"rule_{n}", rule=tree(), **BOOLEAN) for n in range(3)]
    made += [
        tag("stage", stages=[{"value": name, "when": leaf()} for name in "abc"], **TEXT),
        tag("band", of=draw.choice(numbers), **TEXT,
            bands=[{"value": "l", "below": 1}, {"value": "m", "below": 40.5}, {"value": "h"}]),
        tag("share", ratio={"of": draw.choice(numbers), "to": draw.choice(numbers)}, **NUMBER),
        tag("joined", join=[draw.choice(texts), draw.choice(numbers), "rule_0"], **TEXT),
        tag("city", of=draw.choice(texts), map={"北京": "BJ"}, values=["BJ", "成都"],
            otherwise="?", **TEXT),
        tag("has", rule={"field": draw.choice(lists), "operator": "contains", "value": "成都"},
            **BOOLEAN),
        tag("is_bj", of="city", condition={"operator": "in", "value": ["BJ"]}, **BOOLEAN),
        tag("deep", rule={"field": "is_bj", "operator": "=", "value": True}, otherwise=False,
            **BOOLEAN),
    ]
    return declared([TagFile([*names, *made])])


def world(seed: int, zone: str, count: int = 150) -> list[Event]:
    """Events in the order of receipt: late ones, repeats, nulls, refunds, instants at midnight."""
    draw = random.Random(seed)
    made: list[tuple[datetime, Event]] = []
    for number in range(count):
        on = FIRST[zone] + timedelta(days=draw.randrange(DAYS))
        seconds = draw.choice([0, 0, 1, 12 * 3600, 23 * 3600 + 3599, 24 * 3600 - 1])
        local = datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(zone))
        at = local.astimezone(UTC) + timedelta(seconds=seconds, microseconds=draw.choice([0, 999]))
        late = timedelta(hours=draw.choice([0, 0, 0, 1, 30, 24 * 20]))
        made.append((at + late, event(draw, number, at, zone, at + late)))
    for received, one in draw.sample(made, 20):
        again = received + timedelta(days=draw.randrange(20))
        # A repeat may even say something else: the first received wins.
        made.append((again, Event(
            one.key, one.at, one.id, one.source, one.day, ordinal(again, zone), one.type,
            {**one.properties, "points": "30"}, one.line,
        )))
    made.sort(key=lambda one: one[0])
    return [one for _, one in made]


def event(
    draw: random.Random, number: int, at: datetime, zone: str, received: datetime
) -> Event:
    said = {
        "city": draw.choice(["北京", "成都", "杭州", ""]), "points": draw.choice(["1", "-2", "x"]),
        "price": draw.choice(["0.10", "2.5", "-7.25", "x", "999999999999.999999"]),
        "due": draw.choice(["2016-02-29", "2017-07-01", "soon", "2016-2-9", "epoch"]),
    }
    properties = {name: text for name, text in said.items() if draw.random() < 0.7}
    kind, line = draw.choice(["viewed", "shared"]), None
    if draw.random() < 0.5:
        paid = draw.randrange(-50, 500)
        kind, properties = "order_line", {}
        line = {
            "order_id": f"o{draw.randrange(9)}", "paid_minor": paid, "quantity": 1,
            "product_id": draw.choice([*PRODUCTS, "P-STRANGE", None]),
            "refund_of": "o1" if paid < 0 else None,
        }
    microseconds = (at - EPOCH) // timedelta(microseconds=1)
    return Event(
        str(draw.randrange(1, 5)), microseconds, f"e{number}", "tests", ordinal(at, zone),
        ordinal(received, zone), kind, properties, line,
    )


def ordinal(at: datetime, zone: str) -> int:
    return business_date(at, zone).toordinal()


def streamed(events: Iterable[Event], ready: Book) -> Iterator[tuple[int, dict[str, State]]]:
    """The states whenever a date of receipt is over."""
    states: dict[str, State] = {}
    today = 0
    for one in events:
        if one.received > today and states:
            yield today, states
        today = max(today, one.received)
        state = states.setdefault(one.key, State(today))
        advance(state, today, ready)
        step(state, one, ready)
    yield today, states


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize("seed", [0, 1, 2, *(
    pytest.param(seed, marks=pytest.mark.prove) for seed in range(3, 30)
)])
def test_values_at_any_watermark_are_those_of_the_daily_run(seed: int) -> None:
    draw, zone = random.Random(seed), ZONES[seed % 3]
    tags = turns(some_tags(seed), draw)
    subset = chosen(tags, PRODUCTS)
    assert subset.refused == {}
    events, ready = world(seed, zone), book(subset.tags, zone, PRODUCTS)
    ends = {one.received for one in events}
    asked = {draw.choice(sorted(ends)): [0, 1], max(ends): [draw.randrange(2, 40)]}
    for today, states in streamed(events, ready):
        received = [one for one in events if one.received <= today]
        for ahead in asked.get(today, []):
            on = today + ahead
            wanted = batch(subset.tags, received, date.fromordinal(on), PRODUCTS)
            for key, state in states.items():
                assert values(state, ready, on) == wanted[key], (date.fromordinal(on), key)


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize("seed", range(2))
def test_what_is_told_adds_up_to_the_values_and_no_change_is_missed(seed: int) -> None:
    tags = turns(some_tags(seed), random.Random(seed))
    ready = book(chosen(tags, PRODUCTS).tags, ZONES[0], PRODUCTS)
    heard: dict[str, dict[str, Any]] = {}
    states: dict[str, State] = {}
    for one in world(seed, ZONES[0], 60):
        state = states.setdefault(one.key, State(one.received))
        told = heard.setdefault(one.key, dict(ready.nothing))
        while (due := next_change(state, ready)) is not None and due <= one.received:
            told |= advance(state, due, ready)
        told |= advance(state, one.received, ready) | step(state, one, ready)
        # ``due`` skipped only dates on which nothing changed.
        now = {name: shown(value, ready.told[name]) for name, value in told.items()}
        assert now == values(state, ready)


@pytest.mark.parametrize("seed", range(2))
def test_any_order_within_a_date_of_receipt_gives_the_same_state(seed: int) -> None:
    tags = some_tags(seed)
    ready = book(chosen(tags, PRODUCTS).tags, ZONES[0], PRODUCTS)
    events = [one for one in world(seed, ZONES[0]) if "30" not in one.properties.values()]
    mixed = list(events)
    random.Random(seed).shuffle(mixed)
    mixed.sort(key=lambda one: one.received)
    (*_, (_, plain)), (*_, (_, other)) = streamed(events, ready), streamed(mixed, ready)
    assert {k: values(s, ready) for k, s in plain.items()} == {
        k: values(s, ready) for k, s in other.items()
    }
