"""However the same deliveries are divided into loads, the tables come out the same."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.pipelines.ingest.feeds import AT, Feed, File, erp, order_line

TABLES = ("events", "order_lines", "sightings", "bundles", "identifiers", "quarantine", "products")
Event = tuple[int, int, int, int]


def app_line(event: Event) -> bytes:
    number, device, user, hour = event
    row = {
        "type": "track", "messageId": f"m{number}", "event": "App Opened",
        "anonymousId": f"d{device}", "userId": f"u{user}" if user else None,
        "originalTimestamp": f"2017-03-01T{hour:02d}:30:00.000Z",
        "receivedAt": f"2017-03-01T{hour:02d}:30:01.000Z",
    }
    return json.dumps(row).encode() + (b"\n" if number % 7 else b"}\n")


def order(event: Event) -> str:
    number, device, user, hour = event
    return order_line(
        f"O{number}", ordered_at=f"2017-03-01 {hour:02d}:00:00", phone=f"1380013800{device}",
        member_card=f"M{user}" if user else "", quantity="x" if number % 5 == 4 else "1",
    )


def files(batches: list[list[Event]]) -> list[File]:
    made = []
    for n, batch in enumerate(batches):
        at = AT + timedelta(hours=n // 2)
        app = gzip.compress(b"".join(app_line(event) for event in batch))
        catalogue = "product_id,department,category,name\n" + "".join(
            f"{device},D,C,{n}\n" for _, device, _, _ in batch
        )
        made += [
            File("app_events", f"app/{n}.jsonl.gz", app, at),
            File("products", f"products/{n}.csv", catalogue.encode(), at),
        ]
        made.append(erp([order(event) for event in batch], f"erp/{n}.csv"))
        made[-1] = File("erp_orders", made[-1].path, made[-1].content, at)
    return made


def tables(feed: Feed) -> dict[str, list[object]]:
    return {name: feed.rows(f"SELECT * FROM {name} ORDER BY ALL") for name in TABLES}


event = st.tuples(
    st.integers(0, 20), st.integers(0, 3), st.integers(0, 2), st.sampled_from([3, 15, 17])
)


@pytest.mark.slow
@pytest.mark.rule("CDP-2")
@settings(max_examples=12)
@given(
    st.lists(st.lists(event, max_size=6), min_size=1, max_size=5),
    st.lists(st.integers(1, 14), max_size=3),
)
def test_any_split_into_consecutive_loads_gives_the_same_tables(
    new_feed: Callable[[], Feed], batches: list[list[Event]], cuts: list[int]
) -> None:
    whole, split = new_feed(), new_feed()
    delivered = files(batches)
    whole.deliver(*delivered)
    split.lake.landing.receive(delivered)
    deliveries = split.lake.landing.deliveries()
    edges = sorted({0, len(deliveries), *(cut for cut in cuts if cut < len(deliveries))})
    for start, end in zip(edges, edges[1:], strict=False):
        split.take(deliveries[start:end])
    assert tables(split) == tables(whole)
    for _, _, rows, events, quarantined, duplicates in split.account():
        assert rows == events + quarantined + duplicates
