"""Random small worlds for the tag plans: rows that come late, persons that merge and split."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from lake.draft import Draft
from pipelines.tags import declared
from schemas import catalog
from schemas.tag_definitions import Tag, TagFile
from tests import tiny
from tests.oracles.tags_oracle import Row, Stretch

BUNDLES = range(1, 7)
WINDOWS: list[Any] = [
    "ever", {"last": "1 d"}, {"last": "3 d"}, {"last": "7 d"}, {"this": "day"},
    {"this": "week"}, {"this": "month"}, {"previous": "day"}, {"previous": "week"},
    {"previous": "month"}, {"this": "quarter"}, {"this": "year"}, {"previous": "year"},
    {"between": ["2017-06-25", "2017-07-02"]},
]
ORDERS = {"from_": "order_lines"}
BOUGHT = {**ORDERS, "where": {"field": "refund_of", "operator": "null"}}
EVENTS = {"from_": "events"}
SHOWN: list[dict[str, Any]] = [
    {**EVENTS, "measure": "count"},
    {**EVENTS, "measure": "any", "types": ["viewed"], "type": "boolean"},
    {**EVENTS, "measure": "days_active"},
    {**EVENTS, "measure": "days_since"},
    {**EVENTS, "measure": "days_since_first", "types": ["viewed"]},
    {**EVENTS, "measure": "distinct_count", "field": "city"},
    {**EVENTS, "measure": "most_frequent", "field": "city", "type": "text"},
    {**EVENTS, "measure": "top_n", "n": 2, "field": "city", "type": "texts"},
    {**EVENTS, "measure": "first", "field": "city", "type": "text"},
    {**EVENTS, "measure": "last", "field": "city", "type": "text"},
    {**EVENTS, "measure": "sum", "field": "points", "as": "integer"},
    {**EVENTS, "measure": "sum", "field": "price", "as": "decimal", "type": "number"},
    {**EVENTS, "measure": "avg", "field": "points", "as": "integer", "type": "number"},
    {**EVENTS, "measure": "min", "field": "points", "as": "integer"},
    {**EVENTS, "measure": "max", "field": "points", "as": "integer"},
    {**EVENTS, "measure": "max", "field": "due", "as": "date", "type": "date"},
    {**EVENTS, "measure": "years_since", "field": "due"},
    {**ORDERS, "measure": "sum", "field": "paid_minor"},
    {**BOUGHT, "measure": "distinct_count", "field": "order_id"},
    {**BOUGHT, "measure": "avg", "field": "paid_minor", "type": "number"},
    {**ORDERS, "measure": "min", "field": "paid_minor"},
    {**BOUGHT, "measure": "most_frequent", "field": "category", "type": "text"},
]
STREAKS: list[Any] = ["ever", {"last": "3 d"}]


def some_tags(seed: int) -> list[Tag]:
    """Every measure in three windows; in eight seeds or so, in all of them."""
    draw = random.Random(seed)
    made = [
        tiny.tag(f"t{number}_{place}", window=window, **shown)
        for number, shown in enumerate(SHOWN)
        for place, window in draw.sample(list(enumerate(WINDOWS)), 3)
    ]
    made += [
        tiny.tag(f"streak_{place}", measure="streak", window=window, **EVENTS)
        for place, window in enumerate(STREAKS)
    ]
    return declared([TagFile(made)])


@dataclass
class World:
    """Rows and persons as they come to be known, one release after the other."""

    seed: int
    rows: list[Row] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)

    def put_day(self, draft: Draft, count: int) -> None:
        """New rows, a third of them late (or early), and now and then other persons."""
        fresh = [self._row(draft.business_date) for _ in range(count)]
        events = [row for row in fresh if row["from"] == "events"]
        tiny.put_events(draft, [
            (row["bundle"], str(row["at"]), row["type"], row["properties"]) for row in events
        ])
        lines = [row for row in fresh if row["from"] == "order_lines"]
        tiny.put_lines(draft, [
            (row["bundle"], str(row["at"]), row["order_id"], row["paid_minor"], row["product"],
             row["refund_of"]) for row in lines
        ])
        self.rows += fresh

    def _row(self, day: date) -> dict[str, Any]:
        draw = self.draw
        ago = draw.choice([0, 0, 0, 0, draw.randrange(45), -1])
        on = day - timedelta(days=ago)
        moment = datetime(on.year, on.month, on.day, draw.choice([0, 12, 23]))
        row: dict[str, Any] = {
            "bundle": draw.choice(BUNDLES), "at": moment, "on": on,
            "from": draw.choice(["events", "order_lines"]),
        }
        if row["from"] == "events":
            properties = {
                name: value for name, value in {
                    "city": draw.choice(["北京", "成都", "杭州", ""]),
                    "points": draw.choice(["1", "-2", "30", "many"]),
                    "price": draw.choice(["0.10", "2.5", "x"]),
                    "due": draw.choice(["2016-02-29", "2017-07-01", "soon"]),
                }.items() if draw.random() < 0.7
            }
            kind = draw.choice(["viewed", "shared"])
            return row | {"type": kind, "properties": properties, **properties}
        paid = draw.randrange(-50, 500)
        product = draw.choice(["P-TEA", "P-COFFEE"])
        return row | {
            "order_id": f"o{draw.randrange(9)}", "paid_minor": paid, "product": product,
            "category": product[2:],
            "refund_of": "o1" if paid < 0 else None,
        }

    def put_persons(self, draft: Draft) -> None:
        """A partition of the bundles; one may change hands on a date."""
        draw = self.draw
        names = [f"p{draw.randrange(4)}" for _ in BUNDLES]
        self.stretches = []
        for bundle, name in zip(BUNDLES, names, strict=True):
            if draw.random() < 0.2:
                border = draft.business_date - timedelta(days=draw.randrange(10))
                other = f"p{draw.randrange(4)}"
                self.stretches.append(Stretch(bundle, name, end=border))
                self.stretches.append(Stretch(bundle, other, first=border))
            else:
                self.stretches.append(Stretch(bundle, name))
        self.show_persons(draft, self.stretches)

    def show_persons(self, draft: Draft, stretches: Sequence[Stretch]) -> None:
        """Write persons and whose each bundle is; numbers are given once and never again."""
        self.stretches = list(stretches)
        tiny.put_persons(draft, {})
        people = sorted({one.person for one in stretches})
        for name in people:
            self.numbers.setdefault(name, len(self.numbers))
        persons = [
            {"one_id": name, "person_no": self.numbers[name], "born_at": tiny.LONG_AGO,
             "birth_source": "tests", "birth_event_id": name, "birth_path": "p",
             "count_identifiers": 1}
            for name in people
        ]
        bundles = [
            {"bundle_id": one.bundle, "one_id": one.person, "is_borrowed": False,
             "valid_from": max(one.first, date(1, 1, 1)),
             "valid_to": min(one.end, date(9999, 12, 31))}
            for one in stretches
        ]
        for name, rows in (("persons", persons), ("bundle_persons", bundles)):
            table = pa.Table.from_pylist(rows, schema=catalog.table(name).schema)
            draft.session.register("given", table)
            draft.replace(name, "SELECT * FROM given")
            draft.session.execute("DROP VIEW given")
