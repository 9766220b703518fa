"""After a fix the mended rows come back, and only these."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from pipelines.ingest.replay import Replay, mended
from schemas.sources import Column, EventType, Source
from tests.pipelines.ingest.feeds import AT, ERP_HEADER, PROGRAMME, Feed, File, erp, order_line

LATER = AT + timedelta(days=1)


def change(feed: Feed, name: str, **changed: object) -> None:
    feed.sources = [
        msgspec.structs.replace(one, **changed) if one.name == name else one
        for one in feed.sources
    ]


def replay(feed: Feed) -> list[Replay]:
    with feed.lake.reader() as session:
        found = mended(session, feed.sources, PROGRAMME, LATER)
    feed.take(feed.lake.landing.receive([f for one in found for f in (one.rows, one.origins)]))
    return found


@pytest.mark.rule("CDP-2")
def test_a_replay_takes_exactly_the_mended_rows(feed: Feed, declared: list[Source]) -> None:
    lines = [order_line("O1"), order_line("O2", store_id="s,9"), order_line("O3", quantity="x")]
    content = "\n".join([ERP_HEADER + ",cashier", *(line + ",c1" for line in lines), ""])
    feed.deliver(File("erp_orders", "a.csv", content.encode()))
    assert feed.quarantine() == [(n, "unknown_column") for n in (2, 3, 4)]
    assert replay(feed) == []
    change(feed, "erp_orders", ignored=["cashier"])
    (found,) = replay(feed)
    assert found.count_rows == 1
    assert feed.rows("SELECT event_id, file FROM events") == [("O1:1", found.rows.path)]
    assert feed.rows("SELECT file, line, replay_file FROM replays") == [
        ("a.csv", 2, found.rows.path)
    ]
    assert replay(feed) == []


def test_a_mended_value_comes_back_under_its_own_business_date(feed: Feed) -> None:
    line = order_line(received_on="01.03.2017")
    feed.deliver(erp([line, order_line("O2")]))
    (source,) = (one for one in feed.sources if one.name == "erp_orders")
    column = Column(type="date", format="%d.%m.%Y", lenient=True)
    change(feed, "erp_orders", columns=source.columns | {"received_on": column})
    (found,) = replay(feed)
    assert found.rows.content == f"{ERP_HEADER}\n{line}\n".encode()
    assert feed.rows("SELECT count(*), sum(count) FROM sightings") == [(1, 2)]


def test_gbk_rows_come_back_as_the_bytes_they_were(feed: Feed) -> None:
    header = "订单号,行号,下单时间,门店,商品编码,数量,实付金额,优惠券金额,会员卡号,手机号,收货日期,"
    content = f"{header}售后截止时间,原订单号,备注\n{order_line(store_id='人民路店')},无\n"
    feed.deliver(File("erp_orders_gbk", "a.csv", content.encode("gbk")))
    change(feed, "erp_orders_gbk", ignored=["备注"])
    (found,) = replay(feed)
    assert found.rows.content == content.encode("gbk")
    assert feed.rows("SELECT store_id FROM order_lines") == [("人民路店",)]


def test_a_source_declared_later_takes_its_waiting_files(feed: Feed) -> None:
    feed.deliver(File("tills", "a.csv", b"id,at\n1,2017-03-01\n2,2017-03-01\n"))
    columns = {"id": Column(required=True), "at": Column(type="date", required=True)}
    feed.sources.append(
        Source("tills", "csv", columns, occurred="at", event_types=[EventType("till_opened")])
    )
    (found,) = replay(feed)
    assert found.rows.content == b"id,at\n1,2017-03-01\n2,2017-03-01\n"
    assert feed.rows("SELECT type, count(*) FROM events GROUP BY ALL") == [("till_opened", 2)]
    assert feed.rows("SELECT line FROM replays ORDER BY 1") == [(1,), (2,), (3,)]
    assert replay(feed) == []


def test_the_header_of_an_undeclared_file_outlives_its_first_replay(feed: Feed) -> None:
    feed.deliver(File("tills", "a.csv", b"id,at\n1,2017-03-01\n2,02.03.2017\n3,03.03.2017\n"))
    columns = {"id": Column(required=True), "at": Column(type="date", required=True)}
    feed.sources.append(
        Source("tills", "csv", columns, occurred="at", event_types=[EventType("till_opened")])
    )
    assert [found.count_rows for found in replay(feed)] == [1]
    change(feed, "tills", columns=columns | {"at": Column(type="date", format="%d.%m.%Y")})
    (found,) = replay(feed)
    assert found.rows.content == b"id,at\n2,02.03.2017\n3,03.03.2017\n"
    assert feed.rows("SELECT line FROM quarantine ANTI JOIN replays USING (file, line)") == []


def test_a_line_that_was_cut_off_is_no_mended_row(feed: Feed) -> None:
    file = erp([order_line("O1")])
    cut = File(file.source, file.path, file.content[:-1])
    feed.deliver(cut)
    assert feed.quarantine() == [(2, "truncated_line")]
    assert replay(feed) == []
    change(feed, "erp_orders", final_newline="optional")
    assert len(replay(feed)) == 1


@pytest.mark.rule("CDP-2")
def test_a_line_cut_off_in_a_refused_file_is_no_mended_row(feed: Feed) -> None:
    content = f"{ERP_HEADER},cashier\n{order_line('O1')},c1\n{order_line('O2')},c1\n".encode()
    feed.deliver(
        File("erp_orders", "a.csv", content[:-2]),
        File("tills", "b.csv", b"id,at\n1,2017-03-01\n2,2017-03-01"),
    )
    assert feed.quarantine() == [
        (2, "unknown_column"), (3, "truncated_line"),
        (1, "unknown_source"), (2, "unknown_source"), (3, "truncated_line"),
    ]
    change(feed, "erp_orders", ignored=["cashier"])
    tills = Source(
        "tills", "csv", {"id": Column(), "at": Column(type="date")},
        occurred="at", event_types=[EventType("till_opened")],
    )
    feed.sources.append(tills)
    assert [found.count_rows for found in replay(feed)] == [1, 1]
    change(feed, "tills", final_newline="optional")
    assert [found.count_rows for found in replay(feed)] == [1]


def test_a_replay_twice_changes_nothing(
    new_feed: Callable[[], Feed], feed: Feed
) -> None:
    feed.deliver(File("erp_orders", "a.csv", f"{ERP_HEADER},x\n{order_line()},1\n".encode()))
    change(feed, "erp_orders", ignored=["x"])
    (found,) = replay(feed)
    again = File(found.origins.source, "again.jsonl", found.origins.content)
    feed.deliver(again)
    account = feed.rows("SELECT * EXCLUDE (sha256, delivered_at, size_bytes) FROM deliveries "
                        "WHERE file = 'again.jsonl'")
    assert account == [("again.jsonl", "quarantine_replays", "loaded", 1, 0, 0, 1, 0)]
