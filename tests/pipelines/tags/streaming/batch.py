"""The same events through the daily run's direct plan, each bundle a person of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from pipelines.tags.cells import all_cells
from pipelines.tags.direct import direct
from pipelines.tags.factory import tag_query
from pipelines.tags.streaming import Event
from schemas import catalog
from schemas.tag_definitions import Tag

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Products = Mapping[str, Mapping[str, str | None]]


def first_of_each(events: Iterable[Event]) -> list[Event]:
    """Without repeats, as ingest drops them: the first received wins."""
    seen: dict[tuple[str, str], Event] = {}
    for event in events:
        seen.setdefault((event.source, event.id), event)
    return list(seen.values())


def batch(
    tags: Sequence[Tag], events: Iterable[Event], day: date, products: Products | None = None,
    bundles: Iterable[str] = (),
) -> dict[str, dict[str, Any]]:
    """The tags of ``day`` by bundle."""
    kept = first_of_each(events)
    keys = sorted({event.key for event in kept} | set(bundles), key=int)
    with duckdb.connect(":memory:", config={"threads": 1}) as con:
        con.execute("SET TimeZone = 'UTC'")
        _put(con, "events", [_row(one) | _of_event(one) for one in kept if one.type is not None])
        _put(con, "order_lines", [_row(one) | one.line for one in kept if one.line is not None])
        _put(con, "products", [
            {"product_id": name, **said} for name, said in (products or {}).items()
        ])
        _put(con, "persons", [{"one_id": key, "person_no": int(key)} for key in keys])
        con.execute(
            "CREATE TABLE work_bundle_numbers AS SELECT person_no AS bundle_id, person_no, "
            "DATE '0001-01-01' AS valid_from, DATE '9999-12-31' AS valid_to FROM persons"
        )
        con.execute(f"CREATE TABLE person_measures AS {direct(all_cells(tags), day)}")
        found = con.sql(tag_query(tags, day).sql(dialect="duckdb")).to_arrow_table().to_pylist()
    names = [tag.name for tag in tags]
    return {row["one_id"]: {name: row[name] for name in names} for row in found}


def _put(con: Any, name: str, rows: list[dict[str, Any]]) -> None:
    fields = [field.with_nullable(True) for field in catalog.table(name).schema]
    con.register("given", pa.Table.from_pylist(rows, schema=pa.schema(fields)))
    con.execute(f"CREATE TABLE {name} AS SELECT * FROM given")
    con.unregister("given")


def _row(event: Event) -> dict[str, Any]:
    return {
        "source": event.source, "event_id": event.id, "bundle_id": int(event.key),
        "occurred_at": EPOCH + timedelta(microseconds=event.at),
        "business_date": date.fromordinal(event.day),
    }


def _of_event(event: Event) -> dict[str, Any]:
    return {"type": event.type, "properties": list(event.properties.items())}
