"""Lakes of a few rows, put in by hand, for tests of one step alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from domain.dates import business_date, cut
from lake.draft import Draft
from lake.store import open_lake
from schemas import catalog
from schemas.tag_definitions import Tag

ZONE = "Asia/Shanghai"
DAY = date(2017, 6, 30)
LONG_AGO = datetime(2017, 1, 1, tzinfo=UTC)


@contextmanager
def tiny_draft(root: Path, day: date = DAY) -> Iterator[Draft]:
    with open_lake(root, create=True).draft(day, cut(day, ZONE, 3)) as draft:
        yield draft


def local(text: str, zone: str = ZONE) -> datetime:
    """The instant at which clocks in ``zone`` read ``text``, unless it says its own offset."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))


def at(days_ago: int, clock: str = "12:00:00", day: date = DAY) -> str:
    return f"{day - timedelta(days=days_ago)} {clock}"


def append(draft: Draft, name: str, rows: Iterable[Mapping[str, Any]]) -> None:
    schema = catalog.table(name).schema
    draft.session.register("given", pa.Table.from_pylist(list(rows), schema=schema))
    draft.append(name, "SELECT * FROM given")
    draft.session.execute("DROP VIEW given")


def _when(number: int, bundle: int | None, when: str, zone: str = ZONE) -> dict[str, Any]:
    moment = local(when, zone)
    return {
        "source": "tests", "event_id": f"e{number}", "occurred_at": moment,
        "received_at": moment, "business_date": business_date(moment, zone), "bundle_id": bundle,
    }


def put_events(
    draft: Draft,
    rows: Sequence[tuple[int | None, str, str] | tuple[int | None, str, str, dict[str, str]]],
    zone: str = ZONE,
) -> None:
    """Rows of (bundle, time in the zone, type, properties)."""
    (first,) = draft.session.rows("SELECT count(*) FROM events")[0]
    append(
        draft,
        "events",
        [
            _when(int(str(first)) + n, row[0], row[1], zone)
            | {
                "type": row[2], "is_clock_corrected": False, "is_clock_suspect": False,
                "properties": list((row[3] if len(row) > 3 else {}).items()),
                "file": "f", "line": n + 1,
            }
            for n, row in enumerate(rows)
        ],
    )


def put_lines(draft: Draft, rows: Sequence[tuple[Any, ...]]) -> None:
    """Rows of (bundle, local time, order, paid in fen, product, refunded order)."""
    (first,) = draft.session.rows("SELECT count(*) FROM order_lines")[0]
    append(
        draft,
        "order_lines",
        [
            _when(int(str(first)) + n, row[0], row[1])
            | {
                "order_id": row[2], "line_no": 1, "quantity": 1 if row[3] >= 0 else -1,
                "paid_minor": row[3], "coupon_minor": 0, "currency": "CNY",
                "product_id": row[4] if len(row) > 4 else "P-TEA",
                "refund_of": row[5] if len(row) > 5 else None,
            }
            for n, row in enumerate(rows)
        ],
    )


def put_consents(draft: Draft, rows: Sequence[tuple[int, str, str, str, str]]) -> None:
    """Rows of (bundle, local time, purpose, channel, status)."""
    append(
        draft,
        "consents",
        [
            _when(number, row[0], row[1])
            | {"purpose": row[2], "channel": row[3], "status": row[4], "text_version": "v1"}
            for number, row in enumerate(rows)
        ],
    )


def put_products(draft: Draft) -> None:
    append(
        draft,
        "products",
        [
            {"product_id": f"P-{name}", "category": name, "received_at": LONG_AGO}
            for name in ("TEA", "COFFEE")
        ],
    )


def put_persons(draft: Draft, bundles: Mapping[str, Sequence[int]]) -> None:
    """Persons with their bundles; replaces those that were there."""
    persons = [
        {
            "one_id": one_id, "person_no": n, "born_at": LONG_AGO, "birth_source": "tests",
            "birth_event_id": one_id, "birth_path": "p", "count_identifiers": 1,
        }
        for n, one_id in enumerate(sorted(bundles))
    ]
    stretches = [
        {
            "bundle_id": bundle, "one_id": one_id, "valid_from": date(1, 1, 1),
            "valid_to": date(9999, 12, 31), "is_borrowed": False,
        }
        for one_id, held in bundles.items()
        for bundle in held
    ]
    for name, rows in (("persons", persons), ("bundle_persons", stretches)):
        schema = catalog.table(name).schema
        draft.session.register("given", pa.Table.from_pylist(rows, schema=schema))
        draft.replace(name, "SELECT * FROM given")
        draft.session.execute("DROP VIEW given")


def tag_rows(draft: Draft) -> dict[str, dict[str, Any]]:
    """Tags by person."""
    day = draft.business_date
    rows = draft.session.table(f"SELECT * FROM tag_values WHERE business_date = DATE '{day}'")
    return {row["one_id"]: row for row in rows.to_pylist()}


def tag(name: str, **fields: Any) -> Tag:
    """A tag of kind rule and type integer, unless said otherwise."""
    import msgspec

    plain = {"name": name, "label": name, "kind": "rule", "type": "integer"} | fields
    plain = {{"from_": "from"}.get(key, key): value for key, value in plain.items()}
    return msgspec.convert(plain, Tag)
