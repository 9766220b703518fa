"""Tiny evidence for identity: events as one writes them down, as the tables that ingest gives."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast

import pyarrow as pa

from lake import contracts
from lake.draft import Draft
from lake.engines.duckdb import Session, casts, scan
from schemas import catalog

DAY = date(2017, 1, 1)
BEGIN = datetime(2017, 1, 1, 4, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Seen:
    """One event: the day it happened, the day it was received (0 is DAY), and what stood on it."""

    event_id: str
    day: int
    members: tuple[tuple[str, str], ...]
    received: int | None = None
    source: str = "app_events"
    type: str = "product_viewed"
    properties: tuple[tuple[str, str], ...] = ()

    @property
    def occurred_at(self) -> datetime:
        return BEGIN + timedelta(days=self.day)

    @property
    def received_at(self) -> datetime:
        late = self.day if self.received is None else self.received
        return BEGIN + timedelta(days=late, hours=1)

    @property
    def business_date(self) -> date:
        return DAY + timedelta(days=self.day)


def key(type: str, value: str) -> int:
    """A test's identifier_key."""
    return int.from_bytes(hashlib.sha256(f"{type}|{value}".encode()).digest()[:8], "big") >> 1


def path(position: int) -> str:
    return f"field[{position}]"


def bundle_id(one: Seen) -> int:
    return key("bundle", repr(sorted(enumerate(one.members), key=lambda m: m[1])))


def tables(seen: Sequence[Seen]) -> dict[str, pa.Table]:
    """identifiers, bundles, sightings and events of everything in ``seen``."""
    rows: dict[str, dict[Any, dict[str, Any]]] = {
        "identifiers": {}, "bundles": {}, "sightings": {}, "events": {}
    }
    for one in sorted(seen, key=lambda s: (s.received_at, s.source, s.event_id)):
        bundle = bundle_id(one)
        _add_event(rows["events"], one, bundle)
        if not one.members:
            continue
        _add_members(rows, one, bundle)
        place = (bundle, one.source, one.business_date)
        sighting = rows["sightings"].setdefault(place, _sighting(one, bundle))
        sighting["count"] += 1
    return {
        name: pa.Table.from_pylist(list(found.values()), schema=catalog.table(name).schema)
        for name, found in rows.items()
    }


def _sighting(one: Seen, bundle: int) -> dict[str, Any]:
    return {
        "bundle_id": bundle, "source": one.source, "business_date": one.business_date,
        "first_at": one.occurred_at, "last_at": one.occurred_at, "count": 0,
        "received_at": one.received_at, "event_id": one.event_id,
    }  # fmt: skip


def _add_members(rows: dict[str, dict[Any, dict[str, Any]]], one: Seen, bundle: int) -> None:
    members: list[dict[str, Any]] = [
        {"identifier_key": key(type, value), "type": type, "path": path(place)}
        for place, (type, value) in enumerate(one.members)
    ]
    members.sort(key=lambda m: m["identifier_key"])
    rows["bundles"][bundle] = {"bundle_id": bundle, "identifiers": members}
    for type, value in one.members:
        rows["identifiers"].setdefault(
            key(type, value),
            {
                "identifier_key": key(type, value), "type": type, "value": value,
                "received_at": one.received_at,
            },
        )  # fmt: skip


def _add_event(events: dict[Any, dict[str, Any]], one: Seen, bundle: int) -> None:
    events[one.source, one.event_id] = {
        "source": one.source, "event_id": one.event_id, "occurred_at": one.occurred_at,
        "received_at": one.received_at, "business_date": one.business_date,
        "bundle_id": bundle if one.members else None, "type": one.type,
        "is_clock_corrected": False, "is_clock_suspect": False,
        "properties": list(one.properties), "file": "f", "line": 1,
    }  # fmt: skip


def write(draft: Draft, seen: Sequence[Seen]) -> None:
    """Put everything in ``seen`` into the draft, as ingest would: new rows, and touched dates."""
    session = draft.session
    for name, rows in tables(seen).items():
        session.register("incoming", rows)
        keys = ", ".join(catalog.table(name).key)
        if name == "sightings":
            dates = {one.business_date for one in seen}
            draft.replace_dates(name, dates, "SELECT * FROM incoming")
        else:
            known = f"SELECT ({keys}) FROM {name}"
            draft.append(name, f"SELECT * FROM incoming WHERE ({keys}) NOT IN ({known})")
        session.con.unregister("incoming")


@dataclass(slots=True)
class MemoryDraft:
    """A draft that keeps its tables in the session's memory, for tests that make many."""

    session: Session
    business_date: date = DAY
    parent: None = None
    """Nothing was published before, so that everything is worked out."""
    cluster: None = None
    names: tuple[str, ...] = (
        "events", "identifiers", "bundles", "sightings", "screened", "raw_components", "tenures",
        "links", "persons", "person_numbers", "bundle_persons", "identity_moves",
        "identity_changes", "identity_decisions", "identity_runs", "identity_health",
        "birth_tombstones",
    )  # fmt: skip

    def clear(self) -> None:
        for name in self.names:
            self.empty(name)

    def empty(self, name: str) -> None:
        empty = scan(catalog.table(name).schema, [])
        self.session.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {empty}")

    def append(self, name: str, sql: str) -> None:
        columns = casts(catalog.table(name).schema)
        self.session.execute(f"INSERT INTO {name} SELECT {columns} FROM ({sql})")

    def replace(self, name: str, sql: str) -> None:
        rows = f"SELECT {casts(catalog.table(name).schema)} FROM ({sql})"
        self.session.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {rows}")

    def replace_dates(self, name: str, dates: Iterable[date], sql: str) -> None:
        column = catalog.table(name).partition
        listed = ", ".join(f"DATE '{day.isoformat()}'" for day in dates) or "NULL"
        kept = f"SELECT * FROM {name} WHERE {column} NOT IN ({listed})"
        self.replace(name, f"{kept} UNION ALL BY NAME SELECT * FROM ({sql})")

    def hold_contracts(self) -> None:
        for name in self.names:
            (broken,) = self.session.rows(contracts.query(catalog.table(name), name))
            assert set(broken) <= {0}, (name, broken)

    @property
    def draft(self) -> Draft:
        return cast(Draft, self)


def persons(session: Session) -> dict[str, set[tuple[str, str]]]:
    """one_id → the identifiers it holds."""
    found: dict[str, set[tuple[str, str]]] = {}
    rows = session.rows(
        "SELECT t.one_id, i.type, i.value FROM tenures t JOIN identifiers i USING (identifier_key) "
        "WHERE t.one_id IS NOT NULL"
    )
    for one_id, type, value in rows:
        found.setdefault(str(one_id), set()).add((str(type), str(value)))
    return found
