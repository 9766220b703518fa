"""A lake of two small releases, in which persons merge, split, vanish and change their level."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from domain.dates import cut
from lake import snapshots
from lake.draft import Draft
from lake.store import Lake, open_lake
from pipelines.audiences.view import View
from pipelines.tags.published import publish_description
from pipelines.tags.published.reader import SNAPSHOT
from pipelines.tags.vocabulary import tag_values_table
from schemas import catalog
from schemas.audiences import Audience
from schemas.tag_bounds import TagBounds
from tests import tiny

THEN, NOW = tiny.DAY, tiny.DAY + timedelta(days=2)
LEVEL = tiny.tag("level", from_="events", measure="count", window="ever")
CITY = tiny.tag("city", type="text", from_="events", measure="last", field="city", window="ever")
NEW = tiny.tag("stars", from_="events", measure="count", window="ever")
NUMBERS = {
    name: number for number, name in enumerate((
        "stays", "leaves", "joins", "absorbed", "heir", "lost", "stranger", "vanished", "erased",
        "parent", "handed_on", "between", "fresh", "child",
    ))
}
LEVELS: dict[date, dict[str, int | None]] = {
    THEN: {
        "stays": 3, "leaves": 4, "joins": 1, "absorbed": 5, "heir": 1, "lost": 3, "stranger": 1,
        "vanished": 3, "erased": 3, "parent": 3, "handed_on": 3, "between": 1,
    },
    NOW: {
        "stays": 3, "leaves": None, "joins": 3, "heir": 3, "stranger": 1, "parent": 3,
        "fresh": 3, "child": 3,
    },
}
CHANGES = [
    (1, "merged", "between", "handed_on"), (2, "merged", "stays", "between"),
    (2, "merged", "heir", "absorbed"), (2, "merged", "stranger", "lost"),
    (1, "vanished", "vanished", ""), (2, "created", "fresh", ""), (2, "split", "child", "parent"),
]


def high(name: str = "high", **more: Any) -> Audience:
    """Persons of level 3 and more."""
    query = {"field": "level", "operator": ">=", "value": 3}
    return msgspec.convert({"name": name, "label": name, "query": query} | more, Audience)


def made(root: Path) -> Lake:
    """The lake: a release of THEN and one of NOW, which alone has the tag `stars`."""
    lake = open_lake(root, create=True)
    for day, tags in ((THEN, [LEVEL, CITY]), (NOW, [LEVEL, CITY, NEW])):
        at = cut(day, tiny.ZONE, 3)
        with lake.draft(day, at) as draft:
            _put(draft, day)
            _publish_tags(draft, lake, tags)
            draft.publish("run", str(day), "rules", lambda at=at: at)
    return lake


@contextmanager
def view(
    lake: Lake, day: date, audiences: Sequence[Audience] = (), tags: Sequence[Any] = ()
) -> Iterator[View]:
    """The audiences on one of the dates."""
    with lake.reader(day) as session:
        known = tags or [LEVEL, CITY, NEW]
        yield View(session, lake.snapshots, day, known, audiences or [high()], zone=tiny.ZONE)


def _put(draft: Draft, day: date) -> None:
    levels = LEVELS[day]
    persons = [
        {"one_id": name, "person_no": NUMBERS[name], "born_at": tiny.LONG_AGO,
         "birth_source": "tests", "birth_event_id": name, "birth_path": "p", "count_identifiers": 1}
        for name in levels
    ]
    _replace(draft, "persons", persons)
    known = {row[0] for row in draft.session.rows("SELECT one_id FROM person_numbers")}
    tiny.append(draft, "person_numbers", [
        {"one_id": name, "person_no": NUMBERS[name]} for name in levels if name not in known
    ])
    changes = [] if day == THEN else [
        {"published_for": THEN + timedelta(days=n), "kind": kind, "one_id": one,
         "other_one_id": other}
        for n, kind, one, other in CHANGES
    ]
    if changes:
        schema = catalog.table("identity_changes").schema
        draft.session.register("given", pa.Table.from_pylist(changes, schema=schema))
        dates = {THEN + timedelta(days=n) for n, *_ in CHANGES}
        draft.replace_dates("identity_changes", dates, "SELECT * FROM given")
        draft.session.execute("DROP VIEW given")


def _publish_tags(draft: Draft, lake: Lake, tags: Sequence[Any]) -> None:
    day = draft.business_date
    table = tag_values_table(list(tags))
    rows: list[Mapping[str, Any]] = [
        {"business_date": day, "one_id": name, "person_no": NUMBERS[name], "level": level,
         "city": "北京" if NUMBERS[name] % 2 else None, "stars": 1}
        for name, level in LEVELS[day].items()
    ]
    kept = [{k: v for k, v in row.items() if k in table.schema.names} for row in rows]
    draft.session.register("given", pa.Table.from_pylist(kept, schema=table.schema))
    draft.replace_dates("tag_values", [day], "SELECT * FROM given", table=table)
    draft.session.execute("DROP VIEW given")
    bounds = TagBounds(known=1.0, distance=1.0, min_persons=10_000)
    with snapshots.writing(lake.snapshots, SNAPSHOT) as writing:
        publish_description(draft, list(tags), bounds, writing)


def _replace(draft: Draft, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    schema = catalog.table(name).schema
    draft.session.register("given", pa.Table.from_pylist(rows, schema=schema))
    draft.replace(name, "SELECT * FROM given")
    draft.session.execute("DROP VIEW given")


def made_at(day: date) -> datetime:
    """The cut of one of the dates."""
    return cut(day, tiny.ZONE, 3)
