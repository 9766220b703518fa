"""The truth's tables: what no pipeline reads, only the evaluation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from pipelines.world.app_feed import Feed, hour_path
from pipelines.world.evidence import Holders, event_ids, order_ids
from pipelines.world.files import YEAR_END, YEAR_START, Counted
from pipelines.world.order_files import OrderLines
from pipelines.world.orders import Orders
from pipelines.world.persons import Person
from pipelines.world.plan import Instance, Plan
from pipelines.world.small_sources import SmallSource
from pipelines.world.spoils import Spoiled

STAMP = pa.timestamp("us", tz="UTC")
EVENTS = pa.schema(
    [
        ("source", pa.string()), ("event_id", pa.string()), ("person_id", pa.string()),
        ("is_attributable", pa.bool_()), ("occurred_at", STAMP), ("marks", pa.list_(pa.string())),
    ]
)
PURPOSES = ("marketing", "analytics", "export", "advertising")


def person_id(number: int | None) -> str | None:
    """Return a person's id in the truth."""
    return None if number is None or number < 0 else f"P{number + 1:06d}"


def stamps(seconds: Iterable[int | None], scale: int = 1_000_000) -> pa.Array:
    """Return UTC timestamps of epoch seconds (or of milliseconds, with scale 1000)."""
    values = [None if one is None else one * scale for one in seconds]
    return pa.array(values, pa.int64()).cast(STAMP)


def persons_table(persons: list[Person]) -> pa.Table:
    """Return one row per person; consent columns hold the standing at the year's end."""
    columns: dict[str, object] = {
        "person_id": [person_id(one.number) for one in persons],
        "household_id": [f"H{one.household + 1:06d}" for one in persons],
        "sex": [one.sex for one in persons],
        "birthday": [one.birthday for one in persons],
        "city": [one.city for one in persons],
        "has_app": [one.has_app for one in persons],
        "has_mini_program": [one.has_mini for one in persons],
    }
    for purpose in PURPOSES:
        values = [one.consents.get(purpose) for one in persons]
        columns[f"consent_{purpose}"] = pa.array(values, pa.string())
    return pa.table(columns)


def identifiers_table(holders: Holders) -> pa.Table:
    """Return one row per identifier and holder; an open end is null, nobody's has no person.

    `chain` numbers the chain of the person's own evidence; null if never seen as theirs.
    """
    stays = sorted(holders.stays, key=lambda one: (one.kind, one.value, one.start))
    return pa.table(
        {
            "type": [one.kind for one in stays],
            "value": [one.value for one in stays],
            "person_id": pa.array([person_id(one.person) for one in stays], pa.string()),
            "valid_from": stamps(None if s.start == YEAR_START else s.start for s in stays),
            "valid_to": stamps(None if s.end == YEAR_END else s.end for s in stays),
            "is_shared": [one.is_shared for one in stays],
            "chain": pa.array([one.chain for one in stays], pa.int64()),
        }
    )


def feed_events(feed: Feed, plan: Plan, holders: Holders) -> pa.Table:
    """Return one row per readable event of the feed; a log-in in its session attributes it."""
    rows = [
        line.event for hour in sorted(feed.hours) for line in feed.hours[hour]
        if not line.reason and not line.is_repeat
    ]
    attributable = []
    for event in rows:
        at = event.at_ms // 1000
        ids = event_ids(event, plan)
        is_known = any(holders.alone(event.person, one, at) for one in ids)
        attributable.append(is_known or bool(ids and event.has_login))
    columns = [
        pa.array(["app_events"] * len(rows)),
        pa.array([event.message_id for event in rows]),
        pa.array([person_id(event.person) for event in rows], pa.string()),
        pa.array(attributable),
        stamps((event.at_ms for event in rows), 1000),
        pa.array([event.marks for event in rows], pa.list_(pa.string())),
    ]
    return pa.Table.from_arrays(columns, schema=EVENTS)


def small_events(source: SmallSource, holders: Holders) -> pa.Table:
    """Return one row per readable row of a small source."""
    rows = [row for row in source.rows if not row.is_spoiled]
    known = [any(holders.alone(row.person, one, row.at) for one in row.ids) for row in rows]
    columns = [
        pa.array([source.source] * len(rows), pa.string()),
        pa.array([row.event_id for row in rows], pa.string()),
        pa.array([person_id(row.person) for row in rows], pa.string()),
        pa.array(known, pa.bool_()),
        stamps(row.at for row in rows),
        pa.nulls(len(rows), pa.list_(pa.string())),
    ]
    return pa.Table.from_arrays(columns, schema=EVENTS)


def order_events(
    lines: OrderLines, orders: Orders, times: list[int], count_persons: int, holders: Holders
) -> pa.Table:
    """Return one row per readable order line."""
    owner = orders.person.tolist()
    known = np.array(
        [
            any(holders.alone(owner[basket], one, at) for one in order_ids(orders, basket))
            for basket, at in enumerate(times)
        ]
    )
    names = pa.array([person_id(number) for number in range(count_persons)])
    source = np.empty(len(lines.text), dtype=np.int8)
    for one in lines.files:
        source[one.start : one.end] = one.source == "erp_orders_gbk"
    readable = np.ones(len(lines.text), dtype=bool)
    readable[list(lines.spoiled)] = False
    rows = pa.array(np.flatnonzero(readable))
    basket = lines.basket[readable]
    columns = [
        pa.array(["erp_orders", "erp_orders_gbk"]).take(pa.array(source[readable])),
        lines.event_id.take(rows),
        names.take(pa.array(orders.person[basket])),
        pa.array(known[basket]),
        pa.array(lines.at[readable] * 1_000_000).cast(STAMP),
        pa.nulls(len(basket), pa.list_(pa.string())),
    ]
    return pa.Table.from_arrays(columns, schema=EVENTS)


def spoiled_table(spoiled: list[Spoiled]) -> pa.Table:
    """Return one row per malformed line."""
    names = ("source", "path", "line", "reason", "trap")
    kinds = (pa.string(), pa.string(), pa.int64(), pa.string(), pa.string())
    return pa.table(
        {
            name: pa.array([getattr(one, name) for one in spoiled], kind)
            for name, kind in zip(names, kinds, strict=True)
        }
    )


def repeats_table(feed: Feed, lines: OrderLines) -> pa.Table:
    """Return one row per line that repeats another's id, those of a redelivered file too."""
    rows = [("app_events", *one) for one in _feed_repeats(feed)]
    for one in lines.files:
        if one.repeats:
            ids = lines.event_id.slice(one.start, one.end - one.start).to_pylist()
            rows += [(one.source, one.path, place, key) for place, key in enumerate(ids, 2)]
    names = ("source", "path", "line", "event_id")
    kinds = (pa.string(), pa.string(), pa.int64(), pa.string())
    columns = [pa.array([row[i] for row in rows], kind) for i, kind in enumerate(kinds)]
    return pa.table(dict(zip(names, columns, strict=True)))


def _feed_repeats(feed: Feed) -> Iterator[tuple[str, int, str]]:
    for hour in sorted(feed.hours):
        for number, line in enumerate(feed.hours[hour], 1):
            if line.is_repeat:
                yield hour_path(hour), number, line.event.message_id


def traps_table(instances: list[Instance]) -> pa.Table:
    """Return one row per instance of a trap, numbered within its trap."""
    numbers: dict[str, int] = {}
    keys = []
    for one in instances:
        numbers[one.trap] = numbers.get(one.trap, 0) + 1
        keys.append(f"{one.trap}-{numbers[one.trap]:05d}")
    texts = pa.list_(pa.string())
    persons = [[person_id(number) for number in one.persons] for one in instances]
    return pa.table(
        {
            "trap": pa.array([one.trap for one in instances], pa.string()),
            "instance_id": pa.array(keys, pa.string()),
            "person_ids": pa.array(persons, texts),
            "identifiers": pa.array([one.identifiers for one in instances], texts),
            "decidable": pa.array([one.is_decidable for one in instances], pa.bool_()),
        }
    )


def expected_table(counted: Iterable[Counted]) -> pa.Table:
    """Return how many data lines each file holds."""
    rows = sorted(counted, key=lambda one: one.path)
    return pa.table(
        {
            "source": pa.array([one.source for one in rows], pa.string()),
            "path": pa.array([one.path for one in rows], pa.string()),
            "count_rows": pa.array([one.count_rows for one in rows], pa.int64()),
        }
    )
