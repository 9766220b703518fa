"""One line read alone says what ingest says of it."""

from __future__ import annotations

import gzip
from collections import Counter

import msgspec
import pytest

from domain.arriving import Happened, reader
from jobs import settings
from lake.engines.duckdb import quoted
from lake.store import Lake
from schemas.errors import UsageError

SETTLED = settings.read()
APP = next(source for source in SETTLED.sources if source.name == "app_events")
AT = "2017-12-30T13:02:42.814Z"


def line(**changed: object) -> bytes:
    said = {
        "type": "track", "messageId": "m1", "anonymousId": "d1", "event": "Product Added",
        "properties": {"price": 30.82}, "originalTimestamp": AT, "sentAt": AT, "receivedAt": AT,
    }
    return msgspec.json.encode({k: v for k, v in (said | changed).items() if v is not None})


def read(value: bytes, types: str = "product_added", received_at: int = 2**60) -> Happened | None:
    made = reader(APP, SETTLED.programme, b"x", frozenset({types}), frozenset({"price"}))
    assert made is not None
    return made(value, received_at)


@pytest.mark.rule("CDP-2")
@pytest.mark.slow
@pytest.mark.parametrize("name", ["app_events", "consents", "service_chats"])
def test_lines_of_the_world_say_what_its_tables_say(sample_lake: Lake, name: str) -> None:
    source = next(one for one in SETTLED.sources if one.name == name)
    types = frozenset(one.name for one in source.event_types)
    told = reader(
        source, SETTLED.programme, sample_lake.identifier_secret(), types,
        frozenset(source.properties),
    )
    assert told is not None
    landing = sample_lake.landing
    lines = [
        line for one in landing.deliveries(None) if one.source == name
        for line in _unpacked(landing.read(one)).split(b"\n")
    ]
    release = sample_lake.release()
    events = ", ".join(quoted(file.path) for file in release.files("events"))
    bundles = ", ".join(quoted(file.path) for file in release.files("bundles"))
    with sample_lake.session() as session:
        known = {
            str(row[0]): row[1:] for row in session.rows(
                "SELECT event_id, type, epoch_us(occurred_at), properties, list_transform("
                f"identifiers, lambda i: i.identifier_key) FROM read_parquet([{events}]) LEFT JOIN "
                f"read_parquet([{bundles}]) USING (bundle_id) WHERE source = {quoted(name)}"
            )
        }
    found = [one for value in lines if (one := told(value, 2**60)) is not None]
    often = Counter(one.id for one in found)
    same = [one for one in found if often[one.id] == 1 and one.id in known]
    assert len(same) > 100
    for one in same:
        kind, at, properties, keys = known[one.id]
        kept = {k: v for k, v in (properties or {}).items() if v}  # type: ignore[attr-defined]
        assert (one.type, one.at, dict(one.properties)) == (kind, at, kept)
        assert int(one.key) in keys  # type: ignore[operator]


def _unpacked(content: bytes) -> bytes:
    try:
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except EOFError:
        return b""


def test_the_key_is_that_of_the_first_identifier_declared() -> None:
    first = read(line(userId="u1"))
    second = read(line(anonymousId=None, userId="u1"))
    assert first is not None
    assert second is not None
    assert first.key == getattr(read(line()), "key", None) != second.key


@pytest.mark.parametrize(
    "changed",
    [
        {"event": "Product Viewed"}, {"messageId": None}, {"originalTimestamp": "yesterday"},
        {"anonymousId": None}, {"receivedAt": None},
    ],
)
def test_what_nothing_asks_for_or_cannot_be_told_is_none(changed: dict[str, object]) -> None:
    assert read(line(**changed)) is None


def test_a_name_that_is_written_with_escapes_is_found() -> None:
    assert read(line().replace(b"Product Added", rb"Product\u0020Added")) is not None


def test_a_time_long_after_receipt_is_not_believed() -> None:
    consents = next(one for one in SETTLED.sources if one.name == "consents")
    assert consents.clock is None
    late = read(line(originalTimestamp="2019-01-01T00:00:00Z"))
    assert late is not None
    assert late.at == getattr(read(line()), "at", None)


def test_a_source_of_files_does_not_come_over_topics() -> None:
    orders = next(one for one in SETTLED.sources if one.name == "erp_orders")
    with pytest.raises(UsageError, match="does not come over topics"):
        reader(orders, SETTLED.programme, b"x", frozenset({"order_line"}), frozenset())
