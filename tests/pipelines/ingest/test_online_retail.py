"""Half a million real order lines: the sums that others have published, to the last digit."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from lake import conf
from schemas.sources import Source
from tests.pipelines.ingest.feeds import Feed, File

DELIVERED = datetime(2011, 12, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def files(shared_data: Path) -> list[File]:
    folder = shared_data / "online_retail" / "by-day"
    return [
        File("online_retail", f"online_retail/{path.name}", path.read_bytes(), DELIVERED)
        for path in sorted(folder.glob("*.csv"))
    ]


def loaded(feed: Feed, files: list[File], dedupe: str) -> Feed:
    source = conf.load_file(Path(__file__).with_name("online_retail.yml"), Source)
    feed.sources = [msgspec.structs.replace(source, dedupe=dedupe)]
    feed.deliver(*files)
    return feed


@pytest.mark.slow
@pytest.mark.rule("CDP-1")
@pytest.mark.rule("CDP-2")
def test_every_line_is_kept_and_the_sum_is_exact(feed: Feed, files: list[File]) -> None:
    assert len(files) == 305
    lake = loaded(feed, files, "content_and_occurrence")
    assert lake.rows(
        "SELECT sum(count_rows), sum(count_events), sum(count_quarantined), "
        "sum(count_duplicates) FROM deliveries"
    ) == [(541_909, 541_909, 0, 0)]
    assert lake.rows("SELECT sum(quantity * unit_price) FROM order_lines") == [
        (Decimal("9747747.934000"),)
    ]
    assert lake.rows("SELECT count(*) FROM events WHERE bundle_id IS NULL") == [(135_080,)]
    assert lake.rows("SELECT count(DISTINCT bundle_id) FROM bundles") == [(4_372,)]
    assert lake.rows(
        "SELECT count(*), bool_and(starts_with(order_id, 'C')) FROM order_lines "
        "JOIN events USING (event_id) WHERE type = 'refund_line'"
    ) == [(9_288, True)]
    assert lake.rows("SELECT count(*) FROM order_lines WHERE unit_price < 0") == [(2,)]
    assert lake.rows("SELECT count(*) FROM order_lines WHERE unit_price = 0") == [(2_515,)]
    assert lake.rows("SELECT properties['country'], count(*) FROM events GROUP BY 1 "
                     "ORDER BY 2 DESC LIMIT 1") == [("GB", 495_478)]


@pytest.mark.slow
@pytest.mark.rule("CDP-2")
def test_exact_duplicate_lines_are_found(feed: Feed, files: list[File]) -> None:
    lake = loaded(feed, files, "content")
    assert lake.rows("SELECT sum(count_rows), sum(count_duplicates) FROM deliveries") == [
        (541_909, 5_268)
    ]


def test_amounts_round_halves_to_the_even_minor_unit(feed: Feed) -> None:
    header = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
    prices = ["0.005", "0.015", "0.025", "-0.005", "-0.015", "0.0251", "1234.56"]
    lines = [f"I{n},S,\"a, b\",1,2011-06-01 12:00:00,{p},,EIRE" for n, p in enumerate(prices)]
    content = "\n".join([header, *lines, ""]).encode()
    loaded(feed, [File("online_retail", "a.csv", content, DELIVERED)], "content")
    assert feed.rows("SELECT paid_minor FROM order_lines ORDER BY order_id") == [
        (minor,) for minor in (0, 2, 2, 0, -2, 3, 123456)
    ]
    assert feed.rows("SELECT DISTINCT occurred_at FROM events") == [
        (datetime(2011, 6, 1, 11, tzinfo=UTC),)
    ]
