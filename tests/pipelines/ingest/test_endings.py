"""Line ends and packings that people really send: no row is lost without a word."""

from __future__ import annotations

import gzip

import pytest

from tests.pipelines.ingest.feeds import ERP_HEADER, Feed, File, order_line

ROWS = [order_line("O1"), order_line("O2")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_of_the_three_ways(feed: Feed, end: str) -> None:
    content = end.join([ERP_HEADER, *ROWS, ""]).encode()
    feed.deliver(File("erp_orders", "erp_orders/a.csv", content))
    assert feed.account() == [("erp_orders/a.csv", "loaded", 2, 2, 0, 0)]


@pytest.mark.parametrize("name", ["a.csv.gz", "A.CSV.GZ", "plain.csv"])
def test_gzip_is_known_by_its_bytes_whatever_its_name(feed: Feed, name: str) -> None:
    content = gzip.compress("\n".join([ERP_HEADER, *ROWS, ""]).encode(), mtime=0)
    feed.deliver(File("erp_orders", f"erp_orders/{name}", content))
    assert [row[1:] for row in feed.account()] == [("loaded", 2, 2, 0, 0)]


def test_a_header_that_was_cut_off_is_refused_as_a_file(feed: Feed) -> None:
    feed.deliver(File("erp_orders", "erp_orders/a.csv", ERP_HEADER[:30].encode()))
    assert feed.quarantine() == [(0, "truncated_file")]
