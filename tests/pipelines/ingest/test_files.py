"""Files with other columns, cut short, damaged, empty or unknown: no row is lost."""

from __future__ import annotations

import base64
import gzip
from dataclasses import replace

import pytest

from tests.pipelines.ingest.feeds import ERP_HEADER, Feed, File, app_event, erp, order_line


def test_columns_in_another_order_lose_nothing(feed: Feed) -> None:
    names = ERP_HEADER.split(",")
    values = order_line().split(",")
    order = [*range(5, 13), *range(5)]
    lines = [",".join(names[i] for i in order), ",".join(values[i] for i in order)]
    feed.deliver(
        File("erp_orders", "a.csv", "\r\n".join([*lines, ""]).encode()),
        erp([order_line("O2")]),
    )
    assert feed.rows("SELECT order_id, quantity, paid_minor FROM order_lines ORDER BY 1") == [
        ("O1", 2, 1990),
        ("O2", 2, 1990),
    ]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (ERP_HEADER + ",cashier", "unknown_column"),
        (ERP_HEADER.replace(",phone", ""), "missing_column"),
        (ERP_HEADER + ",phone", "unknown_column"),
    ],
)
def test_a_header_that_does_not_fit_quarantines_every_row(
    feed: Feed, header: str, reason: str
) -> None:
    content = "\n".join([header, order_line(), "", order_line("O2"), ""])
    feed.deliver(File("erp_orders", "a.csv", content.encode()))
    assert feed.quarantine() == [(2, reason), (4, reason)]
    assert feed.account() == [("a.csv", "loaded", 2, 0, 2, 0)]


def test_gbk_is_decoded_and_bad_bytes_keep_their_line(feed: Feed) -> None:
    header = (
        "订单号,行号,下单时间,门店,商品编码,数量,实付金额,优惠券金额,会员卡号,手机号,收货日期,"
        "售后截止时间,原订单号"
    )
    good = order_line(store_id="人民路店")
    bad = order_line("O2").encode().replace(b",1,2017", b",\xff\xfe1,2017")
    content = (header + "\n" + good + "\n").encode("gbk") + bad + b"\n"
    feed.deliver(File("erp_orders_gbk", "a.csv", content))
    assert feed.rows("SELECT store_id FROM order_lines") == [("人民路店",)]
    assert feed.quarantine() == [(3, "bad_encoding")]
    (raw,) = feed.rows("SELECT raw_base64 FROM quarantine")[0]
    assert base64.b64decode(raw) == bad


def test_a_file_cut_in_a_line_keeps_the_lines_before(feed: Feed) -> None:
    file = erp([order_line(), order_line("O2")])
    feed.deliver(replace(file, content=file.content[:-5]))
    assert feed.quarantine() == [(3, "truncated_line")]
    assert feed.account()[0][1:] == ("truncated", 2, 1, 1, 0)


def test_a_gzip_stream_cut_short_keeps_the_lines_before(feed: Feed) -> None:
    lines = b"".join(app_event(f"m{number}") + b"\n" for number in range(2000))
    whole = gzip.compress(lines)
    feed.deliver(File("app_events", "a.jsonl.gz", whole[: len(whole) // 2]))
    ((_, status, rows, events, quarantined, _),) = feed.account()
    assert (status, quarantined, rows) == ("truncated", 1, events + 1)
    assert 100 < events < 2000
    assert feed.quarantine() == [(rows, "truncated_line")]


def test_files_that_cannot_be_read_are_refused_and_the_others_go_on(feed: Feed) -> None:
    landing = feed.lake.landing
    deliveries = landing.receive(
        [
            erp([order_line()], path="gone.csv"),
            erp([order_line("O2")], path="folder.csv"),
            File("app_events", "no_gzip.jsonl.gz", b"no gzip at all"),
            erp([order_line("O3")], path="good.csv"),
        ]
    )
    (landing.root / "gone.csv").unlink()
    (landing.root / "folder.csv").unlink()
    (landing.root / "folder.csv").mkdir()
    feed.take(deliveries)
    assert [(file, status, rows) for file, status, rows, *_ in feed.account()] == [
        ("folder.csv", "refused", 0),
        ("gone.csv", "refused", 0),
        ("good.csv", "loaded", 1),
        ("no_gzip.jsonl.gz", "refused", 0),
    ]
    found = feed.rows("SELECT file, line, reason, detail FROM quarantine ORDER BY file")
    assert [row[:3] for row in found] == [
        ("folder.csv", 0, "unreadable_file"),
        ("gone.csv", 0, "unreadable_file"),
        ("no_gzip.jsonl.gz", 0, "unreadable_file"),
    ]
    assert "got: a folder" in found[0][3]
    assert "got: no such file" in found[1][3]


def test_an_empty_file_and_one_with_only_a_header_have_no_rows(feed: Feed) -> None:
    feed.deliver(File("erp_orders", "empty.csv", b""), erp([], path="header.csv"))
    assert feed.account() == [
        ("empty.csv", "empty", 0, 0, 0, 0),
        ("header.csv", "empty", 0, 0, 0, 0),
    ]


def test_rows_of_an_unknown_source_wait_in_quarantine(feed: Feed) -> None:
    feed.deliver(File("new_erp", "new.csv", b"a,b\n1,2\n\n\xff,4\n"))
    assert feed.quarantine() == [(n, "unknown_source") for n in (1, 2, 4)]
    assert feed.account() == [("new.csv", "loaded", 3, 0, 3, 0)]
