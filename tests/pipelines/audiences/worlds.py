"""Random small worlds, and random audiences over them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from lake import snapshots
from lake.draft import Draft
from pipelines.audiences import Selector
from pipelines.tags.published import TagBitmaps, publish_description
from pipelines.tags.published.reader import SNAPSHOT
from pipelines.tags.vocabulary import tag_values_table
from schemas import catalog
from schemas.audiences import Audience
from schemas.tag_bounds import TagBounds
from tests import tiny
from tests.oracles.audiences_oracle import World
from tests.oracles.tags_oracle import Row, Stretch

PERSONS, LISTS = 48, ("vip", "blocked")
TYPES = ("seen", "added", "paid")
_MADE = {"from_": "events", "measure": "count", "window": "ever"}
TAGS = [
    tiny.tag("city", type="text", map={"Beijing": "北京"}, **(_MADE | {
        "measure": "last", "field": "city"})),
    tiny.tag("level", **_MADE),
    tiny.tag("points", **_MADE),
    tiny.tag("rate", type="number", **(_MADE | {"measure": "avg", "field": "n", "as": "integer"})),
    tiny.tag("since", type="date", **(_MADE | {"measure": "max", "field": "d", "as": "date"})),
    tiny.tag("is_new", type="boolean", **(_MADE | {"measure": "any"})),
    tiny.tag("likes", type="texts", **(_MADE | {
        "measure": "top_n", "n": 3, "field": "city"})),
]
VALUES: dict[str, list[Any]] = {
    "city": ["北京", "上海", "广州", "a'b"], "level": [1, 2, 3, 4], "is_new": [True, False],
    "points": [*range(-20, 200, 3)], "rate": [0.1, 0.3, 1e-9, -2.5, 1e300, *range(-30, 30, 2)],
    "since": [date(2017, 1, 1) + timedelta(days=n) for n in range(0, 200, 5)],
    "likes": [[], ["tea"], ["tea", "coffee"], ["milk"]],
}
WINDOWS: list[Any] = [
    "ever", {"last": "1 d"}, {"last": "3 d"}, {"this": "month"}, {"previous": "day"},
    {"between": ["2017-06-26", "2017-06-28"]},
]
ORDERED = ["=", "!=", "<", "<=", ">", ">=", "in", "notIn", "between", "notBetween"]
WHERE = [*ORDERED, "null", "notNull"]
BOUNDS = TagBounds(known=1.0, distance=1.0, min_persons=10_000)


def some_world(seed: int, count: int = PERSONS) -> World:
    """Persons with tags, of which many are unknown, and events, of which some are at once."""
    draw = random.Random(seed)
    persons = {
        f"p{number:02}": {
            tag.name: None if draw.random() < 0.25 else draw.choice(VALUES[tag.name])
            for tag in TAGS
        }
        for number in range(count)
    }
    names = list(persons)
    stretches = [Stretch(number, name) for number, name in enumerate(names)]
    for number in draw.sample(range(count), 8):
        day = tiny.DAY - timedelta(days=draw.randrange(4))
        other = draw.choice(names)
        stretches[number] = Stretch(number, names[number], end=day)
        stretches.append(Stretch(number, other, first=day))
    lists = {name: set(draw.sample(names, draw.randrange(6))) for name in LISTS}
    return World(
        tiny.DAY, datetime(2017, 7, 1), {tag.name: tag for tag in TAGS}, persons,
        {name: number for number, name in enumerate(names)}, _rows(draw, count), stretches, lists,
    )


def _rows(draw: random.Random, persons: int) -> list[Row]:
    found = []
    for number in range(draw.randrange(40, 240)):
        at = datetime(2017, 6, 24) + timedelta(hours=6 * draw.randrange(28))
        row = {
            "from": "events", "bundle": draw.randrange(persons // 2), "at": at, "on": at.date(),
            "type": draw.choice(TYPES), "id": f"e{number}",
        }
        for name, values in {"k": ["x", "y", ""], "n": ["1", "2", "many"]}.items():
            if draw.random() < 0.6:
                row[name] = draw.choice(values)
        found.append(row)
    return found


@contextmanager
def put(world: World, root: Path) -> Iterator[tuple[Draft, TagBitmaps]]:
    """A draft that holds the world, and its bitmaps."""
    with tiny.tiny_draft(root) as draft:
        tiny.put_persons(draft, {name: [] for name in world.persons})
        _put(draft, "bundle_persons", [
            {"bundle_id": s.bundle, "one_id": s.person, "valid_from": max(s.first, date(1, 1, 1)),
             "valid_to": min(s.end, date(9999, 12, 31)), "is_borrowed": False}
            for s in world.stretches
        ])
        tiny.put_events(draft, [
            (row["bundle"], str(row["at"]), row["type"],
             {name: row[name] for name in ("k", "n") if name in row})
            for row in world.rows
        ])
        _put_lists(draft, world)
        yield draft, _publish(draft, world, root)


def _publish(draft: Draft, world: World, root: Path) -> TagBitmaps:
    table = tag_values_table(TAGS)
    rows = [
        {"business_date": world.day, "one_id": name, "person_no": world.numbers[name], **values}
        for name, values in world.persons.items()
    ]
    draft.session.register("given", pa.Table.from_pylist(rows, schema=table.schema))
    draft.replace_dates("tag_values", [world.day], "SELECT * FROM given", table=table)
    draft.session.execute("DROP VIEW given")
    with snapshots.writing(root / "snapshots", SNAPSHOT) as kept:
        publish_description(draft, TAGS, BOUNDS, kept)
    ((version,),) = draft.session.rows("SELECT DISTINCT version FROM tag_bitmaps")
    return TagBitmaps.open(root / "snapshots", str(version))


def _put_lists(draft: Draft, world: World) -> None:
    keys = {name: 1_000 + number for name, number in world.numbers.items()}
    _put(draft, "list_members", [
        {"list": name, "identifier_key": keys[person] if person else 1, "type": "phone",
         "change": "added", "reason": "r", "author": "a", "changed_at": tiny.LONG_AGO,
         "received_at": tiny.LONG_AGO, "file": "f"}
        for name, listed in world.lists.items() for person in ["", *sorted(listed)]
    ])
    _put(draft, "tenures", [
        {"identifier_key": key, "tenure": 0, "type": "phone", "one_id": person, "kind": "sole",
         "received_at": tiny.LONG_AGO, "source": "tests", "event_id": person}
        for person, key in keys.items()
    ])


def _put(draft: Draft, name: str, rows: list[dict[str, Any]]) -> None:
    schema = catalog.table(name).schema
    draft.session.register("given", pa.Table.from_pylist(rows, schema=schema))
    draft.replace(name, "SELECT * FROM given")
    draft.session.execute("DROP VIEW given")


def selector(draft: Draft, bitmaps: TagBitmaps, world: World) -> Selector:
    """The selector under test over a world."""
    return Selector(
        draft.session, bitmaps, world.day, TAGS, list(world.audiences.values()), zone=tiny.ZONE
    )


def some_audience(draw: random.Random, name: str, others: list[str]) -> Audience:
    """A random audience, which may stand on ``others``."""
    made: dict[str, Any] = {"name": name, "label": name, "query": _group(draw, others, 0)}
    for field in ("include", "exclude"):
        if draw.random() < 0.2:
            made[field] = [draw.choice(LISTS)]
    if draw.random() < 0.2:
        made["hold_out"] = {"share": draw.choice([0.1, 0.5, 0.9]), "seed": draw.choice("st")}
    if draw.random() < 0.2:
        made["top"] = {
            "n": draw.randrange(1, 20), "by": draw.choice(["points", "level", "rate", "since"]),
            "order": draw.choice(["highest", "lowest"]),
        }
    return msgspec.convert(made, Audience)


def _group(draw: random.Random, others: list[str], depth: int) -> dict[str, Any]:
    if depth and (depth > 2 or draw.random() < 0.6):
        return _leaf(draw, others)
    return {
        "combinator": draw.choice(["and", "or"]), "not": draw.random() < 0.4,
        "rules": [_group(draw, others, depth + 1) for _ in range(draw.randrange(1, 4))],
    }


def _leaf(draw: random.Random, others: list[str]) -> dict[str, Any]:
    kinds = ["tag"] * 5 + ["did", "sequence"] * 2 + ["audience"] * bool(others)
    kind = draw.choice(kinds)
    if kind == "tag":
        return _tag(draw)
    if kind == "did":
        return _did(draw)
    if kind == "audience":
        return {"audience": draw.choice(others)}
    return {"sequence": some_sequence(draw)}


def _tag(draw: random.Random) -> dict[str, Any]:
    tag = draw.choice(TAGS)
    values = [str(v) if isinstance(v, date) else v for v in VALUES[tag.name]]
    if tag.name == "city":
        values += ["Beijing", "深圳"]
    if tag.type in ("integer", "number"):
        values += [0, 7, -100, 2**53 + 1]
    operators = ["null", "notNull"]
    if tag.type == "boolean":
        operators += ["=", "!="]
    elif tag.type == "texts":
        operators, values = [*operators, "contains", "doesNotContain"], ["tea", "milk", "x"]
    else:
        operators += ORDERED
    return _test(draw, draw.choice(operators), values) | {"field": tag.name}


def _test(draw: random.Random, operator: str, values: list[Any]) -> dict[str, Any]:
    if operator in ("null", "notNull"):
        return {"operator": operator}
    if operator.endswith("etween"):
        return {"operator": operator, "value": sorted(draw.choices(values, k=2))}
    if operator in ("in", "notIn"):
        return {"operator": operator, "value": draw.choices(values, k=draw.randrange(1, 4))}
    return {"operator": operator, "value": draw.choice(values)}


def _did(draw: random.Random) -> dict[str, Any]:
    made: dict[str, Any] = {"measure": draw.choice([
        "count", "any", "days_active", "days_since", "streak", "sum", "avg", "max", "last",
    ])}
    operators, values = ORDERED, [0, 1, 2, 3]
    if made["measure"] in ("sum", "avg", "max"):
        made |= {"field": "n", "as": "integer"}
    elif made["measure"] == "last":
        made["field"], operators, values = "k", ["=", "!=", "in"], ["x", "y"]
    elif made["measure"] == "any":
        operators, values = ["=", "!="], [True, False]
    if draw.random() < 0.5:
        made["types"] = draw.sample(TYPES, draw.randrange(1, 3))
    if draw.random() < 0.4:
        made["where"] = _where(draw)
    made["window"] = draw.choice(WINDOWS[:3] if made["measure"] == "streak" else WINDOWS)
    operator = draw.choice([*operators, "null", "notNull"])
    return _test(draw, operator, values) | {"did": made}


def _where(draw: random.Random, depth: int = 0) -> dict[str, Any]:
    """A rule about the properties of an event, which are texts, or missing."""
    if depth < 2 and draw.random() < 0.3:
        return {
            "combinator": draw.choice(["and", "or"]), "not": draw.random() < 0.4,
            "rules": [_where(draw, depth + 1) for _ in range(draw.randrange(1, 3))],
        }
    field, values = draw.choice([("k", ["x", "y", "z"]), ("n", ["1", "2", "many", ""])])
    return _test(draw, draw.choice(WHERE), values) | {"field": field}


def some_sequence(draw: random.Random) -> dict[str, Any]:
    """Steps over the types of ``TYPES``, often within a time, sometimes without another."""
    def step(*, is_first: bool = False) -> dict[str, Any]:
        made: dict[str, Any] = {"types": draw.sample(TYPES, draw.randrange(1, 3))}
        if not is_first and draw.random() < 0.5:
            made["within"] = draw.choice(["6 h", "12 h", "1 d", "360 m"])
        if draw.random() < 0.2:
            made["where"] = _where(draw)
        return made

    steps = [step(is_first=True), *(step() for _ in range(draw.randrange(4)))]
    made = {"steps": steps, "window": draw.choice(WINDOWS)}
    if draw.random() < 0.5:
        made["without"] = step()
        if len(steps) == 1:
            made["without"]["within"] = "1 d"
    return made


