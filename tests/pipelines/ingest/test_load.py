"""Small feeds with one of everything, and exactly what becomes of them."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from domain.identifiers import identifier_key
from pipelines.ingest import bundles
from schemas.errors import QualityError
from tests.pipelines.ingest.feeds import (
    AT,
    ERP_HEADER,
    SECRET,
    Feed,
    File,
    app,
    app_event,
    erp,
    order_line,
)


@pytest.mark.rule("CDP-1")
def test_three_kinds_of_source_land_in_one_envelope(feed: Feed) -> None:
    chat = {
        "msgid": "c1", "action": "send", "from": "wm1", "tolist": ["staff01"], "roomid": "",
        "msgtime": 1488330000000, "msgtype": "text", "text": {"content": "你好"},
    }
    feed.deliver(
        erp([order_line()]),
        app(app_event()),
        File("service_chats", "service_chats/1.jsonl", json.dumps(chat).encode() + b"\n"),
    )
    assert feed.rows("SELECT source, type, event_id, business_date FROM events ORDER BY 1") == [
        ("app_events", "product_viewed", "m1", date(2017, 3, 1)),
        ("erp_orders", "order_line", "O1:1", date(2017, 3, 1)),
        ("service_chats", "message", "c1", date(2017, 3, 1)),
    ]
    for _, _, rows, events, quarantined, duplicates in feed.account():
        assert rows == events + quarantined + duplicates == 1


def test_order_lines_have_local_times_and_minor_units(feed: Feed) -> None:
    feed.deliver(
        erp(
            [
                order_line(coupon_amount="1.005"),
                order_line("R1", paid_amount="-1,019.90", quantity="-2", refund_of="O1"),
            ]
        )
    )
    assert feed.rows(
        "SELECT order_id, occurred_at, paid_minor, coupon_minor, quantity, received_on, "
        "refund_of, currency FROM order_lines ORDER BY 1"
    ) == [
        ("O1", datetime(2017, 3, 1, 1, 30, tzinfo=UTC), 1990, 100, 2, date(2017, 3, 1), None, "CNY")
    ]
    assert feed.quarantine() == [(3, "wrong_field_count")]
    quoted = 'R1,1,2017-03-01 09:30:00,s,p,-2,"-1,019.90",,,,,,O1'
    feed.deliver(erp([quoted], path="erp_orders/2.csv"))
    assert feed.rows(
        "SELECT type, paid_minor FROM events JOIN order_lines USING (event_id) "
        "WHERE event_id = 'R1:1'"
    ) == [("refund_line", -101990)]


BAD_ORDER_LINES = {
    "wrong_field_count": "O2,1,2017-03-01 09:30:00,s1",
    "bad_time": order_line(ordered_at="2017-13-45"),
    "bad_number": order_line(paid_amount="12.5O"),
    "missing_field": order_line(order_id=""),
    "date_out_of_range": order_line(ordered_at="2031-01-01 00:00:00"),
    "bad_refund": order_line(refund_of="O1", paid_amount="1.00"),
    "broken_quotes": order_line(store_id='"s1'),
}


@pytest.mark.rule("CDP-2")
@pytest.mark.parametrize(("reason", "line"), BAD_ORDER_LINES.items())
def test_a_bad_order_line_is_quarantined_with_reason_origin_and_bytes(
    feed: Feed, reason: str, line: str
) -> None:
    feed.deliver(erp([order_line("O9"), line]))
    assert feed.rows(
        "SELECT source, file, line, reason, raw_base64, header_base64 FROM quarantine"
    ) == [
        (
            "erp_orders", "erp_orders/2017-03-01/group-01.csv", 3, reason,
            base64.b64encode(line.encode()).decode(),
            base64.b64encode(ERP_HEADER.encode()).decode(),
        )
    ]
    assert feed.account()[0][1:] == ("loaded", 2, 1, 1, 0)


BAD_APP_EVENTS = {
    "broken_json": app_event()[:60],
    "missing_field": app_event(type="absent"),
    "bad_time": app_event(receivedAt="2017-13-45 25:61"),
    "bad_encoding": app_event().replace(b'"track"', b'"\xff\xfetrack"'),
    "unknown_event_type": app_event(event="Something Else"),
}


@pytest.mark.rule("CDP-2")
@pytest.mark.parametrize(("reason", "line"), BAD_APP_EVENTS.items())
def test_a_bad_app_event_is_quarantined_with_reason(
    feed: Feed, reason: str, line: bytes
) -> None:
    feed.deliver(app(app_event("m0"), line, app_event("m2")))
    assert feed.quarantine() == [(2, reason)]
    (raw,) = feed.rows("SELECT raw_base64 FROM quarantine")[0]
    assert base64.b64decode(raw) == line
    assert feed.account()[0][1:] == ("loaded", 3, 2, 1, 0)


def test_the_detail_says_what_was_expected_and_what_came(feed: Feed) -> None:
    feed.deliver(erp([order_line(paid_amount="12.5O"), "a,b"]))
    assert feed.rows("SELECT detail FROM quarantine ORDER BY line") == [
        ("expected paid_amount as money, got 12.5O",),
        ("expected 13 fields, got 2",),
    ]


@pytest.mark.rule("CDP-2")
def test_a_repeated_event_is_counted_once_and_the_first_received_stays(feed: Feed) -> None:
    feed.deliver(app(app_event("m1"), app_event("m2"), app_event("m1")))
    assert feed.account()[0][1:] == ("loaded", 3, 2, 0, 1)
    later = app(app_event("m2"), app_event("m3"), path="app_events/2017-03-02/00.jsonl.gz")
    feed.deliver(replace(later, delivered_at=AT + timedelta(hours=1)))
    assert feed.account()[1][1:] == ("loaded", 2, 1, 0, 1)
    assert feed.rows("SELECT event_id, file, line FROM events ORDER BY 1") == [
        ("m1", "app_events/2017-03-01/09.jsonl.gz", 1),
        ("m2", "app_events/2017-03-01/09.jsonl.gz", 2),
        ("m3", "app_events/2017-03-02/00.jsonl.gz", 2),
    ]
    assert feed.rows("SELECT sum(count) FROM sightings") == [(3,)]


@pytest.mark.rule("CDP-2")
def test_of_two_deliveries_in_one_load_the_first_received_stays(feed: Feed) -> None:
    late = app(app_event("m1"), path="a.jsonl.gz")
    early = app(app_event("m2"), app_event("m1"), path="c.jsonl.gz")
    same_time = app(app_event("m2"), path="d.jsonl.gz")
    feed.deliver(replace(late, delivered_at=AT + timedelta(hours=1)), same_time, early)
    assert feed.rows("SELECT event_id, file, line, received_at FROM events ORDER BY 1") == [
        ("m1", "c.jsonl.gz", 2, AT), ("m2", "c.jsonl.gz", 1, AT),
    ]
    assert [row[-1] for row in feed.account()] == [1, 0, 1]


@pytest.mark.rule("CDP-2")
def test_a_file_delivered_twice_changes_nothing(feed: Feed) -> None:
    first = erp([order_line(), order_line(line_no=2)])
    feed.deliver(first)
    before = feed.rows("SELECT * FROM events ORDER BY event_id")
    sightings = feed.rows("SELECT * FROM sightings")
    feed.deliver(replace(first, delivered_at=AT + timedelta(hours=5)))
    assert feed.account()[1] == (first.path + "~2", "loaded", 2, 0, 0, 2)
    assert feed.rows("SELECT * FROM events ORDER BY event_id") == before
    assert feed.rows("SELECT * FROM sightings") == sightings


@pytest.mark.rule("CDP-2")
def test_a_late_event_reaches_its_own_business_date(feed: Feed) -> None:
    feed.deliver(app(app_event("m1")))
    late = app(app_event("m2"), path="app_events/2017-03-04/12.jsonl.gz")
    summary = feed.deliver(replace(late, delivered_at=AT + timedelta(days=2)))
    assert summary.dates == [date(2017, 3, 1)]
    assert feed.rows("SELECT business_date, count, event_id FROM sightings") == [
        (date(2017, 3, 1), 2, "m1")
    ]


@pytest.mark.rule("CDP-2")
def test_a_wrong_clock_is_corrected_and_a_hopeless_one_flagged(feed: Feed) -> None:
    two_hours_fast = app_event(
        "m1", originalTimestamp="2017-03-01T03:00:00.000Z", sentAt="2017-03-01T03:00:01.000Z"
    )
    years_off = app_event("m2", originalTimestamp="2010-01-01T00:00:00.000Z", sentAt="null")
    no_sent_at = app_event("m3", sentAt="")
    feed.deliver(app(two_hours_fast, years_off, no_sent_at))
    assert feed.rows(
        "SELECT event_id, occurred_at, is_clock_corrected, is_clock_suspect FROM events ORDER BY 1"
    ) == [
        ("m1", datetime(2017, 3, 1, 1, 0, 0, 500_000, tzinfo=UTC), True, False),
        ("m2", datetime(2017, 3, 1, 1, 0, 1, 500_000, tzinfo=UTC), False, True),
        ("m3", datetime(2017, 3, 1, 1, tzinfo=UTC), False, False),
    ]


def test_identifiers_stand_in_bundles_under_their_paths(feed: Feed) -> None:
    line = app_event(
        type="identify", userId="u1", anonymousId="-1",
        context={"externalIds": [
            {"id": "wx1:o1", "type": "openid"}, {"id": "x", "type": "other"},
            {"id": "un1", "type": "unionid"},
        ]},
        traits={"phone": "138 0013 8000", "email": " A@Example.com ", "gender": "女",
                "birthday": "1990-02-03", "address": {"city": "北京"}},
    )
    feed.deliver(app(line, app_event("m2", anonymousId=None)))
    assert feed.rows(
        "SELECT type, value, path FROM (SELECT unnest(identifiers, recursive := true) "
        "FROM bundles) JOIN identifiers USING (identifier_key, type) ORDER BY path"
    ) == [
        ("device_id", "-1", "anonymousId"),
        ("openid", "wx1:o1", "context.externalIds[0].id"),
        ("unionid", "un1", "context.externalIds[2].id"),
        ("email", "a@example.com", "traits.email"),
        ("phone", "+8613800138000", "traits.phone"),
        ("user_id", "u1", "userId"),
    ]
    assert feed.rows("SELECT event_id, bundle_id IS NULL, properties FROM events ORDER BY 1") == [
        ("m1", False, {"product_id": "p1", "price": "12.5", "gender": "female",
                       "birthday": "1990-02-03", "city": "北京"}),
        ("m2", True, {"product_id": "p1", "price": "12.5"}),
    ]
    assert feed.rows("SELECT identifier_key FROM identifiers WHERE type = 'user_id'") == [
        (identifier_key("user_id", "u1", SECRET),)
    ]


def test_chat_text_is_masked_and_phones_in_it_become_identifiers(feed: Feed) -> None:
    def chat(number: int, sender: str, to: str, text: str) -> bytes:
        row = {"msgid": f"c{number}", "action": "send", "from": sender, "tolist": [to],
               "msgtime": 1488330000000 + number, "msgtype": "text", "text": {"content": text}}
        return json.dumps(row, ensure_ascii=False).encode() + b"\n"

    content = (
        chat(1, "wm1", "staff01", "电话 138-0013-8000，邮箱 a@b.cn，订单 12345678901234")
        + chat(2, "staff01", "wm1", "请打 13900139000")
    )
    feed.deliver(File("service_chats", "a.jsonl", content))
    assert feed.rows(
        "SELECT direction, staff_id, text_masked FROM conversations ORDER BY event_id"
    ) == [
        ("inbound", "staff01", "电话 ***，邮箱 ***，订单 ***"),
        ("outbound", "staff01", "请打 ***"),
    ]
    assert feed.rows("SELECT type, value FROM identifiers ORDER BY 1") == [
        ("external_userid", "wm1"),
        ("phone", "+8613800138000"),
    ]


def test_consents_and_products_land_in_their_tables(feed: Feed) -> None:
    consents = [
        {"consent_id": "k1", "user_id": "u1", "purpose": "marketing", "channel": "sms",
         "status": "granted", "text_version": "v1", "at": "2017-03-01T08:00:00+08:00"},
        {"consent_id": "k2", "phone": "13800138000", "purpose": "marketing", "channel": "any",
         "status": "perhaps", "at": "2017-03-01T08:00:00+08:00"},
    ]
    content = "".join(json.dumps(row) + "\n" for row in consents).encode()
    feed.deliver(
        File("consents", "c.jsonl", content),
        File("products", "p.csv", b"product_id,department,category,name\n1,D,COFFEE,x\n1,D,T,y\n"),
    )
    assert feed.rows("SELECT purpose, channel, status, occurred_at FROM consents") == [
        ("marketing", "sms", "granted", datetime(2017, 3, 1, tzinfo=UTC))
    ]
    assert feed.quarantine() == [(2, "unknown_value")]
    assert feed.rows("SELECT product_id, category, name FROM products") == [("1", "T", "y")]
    later = File("products", "q.csv", b"product_id,department,category,name\n2,D,E,z\n")
    feed.deliver(replace(later, delivered_at=AT + timedelta(days=1)))
    assert feed.rows("SELECT product_id FROM products ORDER BY 1") == [("1",), ("2",)]


def test_two_identifiers_with_one_key_stop_the_publish(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.deliver(app(app_event("m1", anonymousId="d1")))
    key = identifier_key("device_id", "d1", SECRET)
    monkeypatch.setattr(bundles, "identifier_key_sql", lambda *_: f"CAST({key} AS BIGINT)")
    with pytest.raises(QualityError, match="identifiers breaks its contract"):
        feed.deliver(app(app_event("m2", anonymousId="d2"), path="b.jsonl.gz"))


def test_a_large_delivery_is_loaded_in_parts_with_the_same_result(
    new_feed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [app_event(f"m{n % 70}", anonymousId=f"d{n % 7}") for n in range(100)]
    files = [app(*lines, path="a.jsonl")]
    whole, parts = new_feed(), new_feed()
    whole.deliver(*files)
    monkeypatch.setattr(sys.modules["pipelines.ingest.load"], "PART_ROWS", 10)
    monkeypatch.setattr("lake.lines.BATCH_BYTES", 3000)
    parts.deliver(*files)
    for table in ("events", "sightings", "bundles", "identifiers", "deliveries"):
        wanted = whole.rows(f"SELECT * FROM {table} ORDER BY ALL")
        assert parts.rows(f"SELECT * FROM {table} ORDER BY ALL") == wanted


@pytest.mark.rule("CDP-2")
def test_a_large_catalogue_has_its_own_account(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["pipelines.ingest.load"], "PART_ROWS", 10)
    monkeypatch.setattr("pipelines.ingest.staging.CSV_BATCH_BYTES", 100)
    lines = [f"{n % 30},D,C,{n}\n" for n in range(50)]
    content = "product_id,department,category,name\n" + "".join(lines)
    feed.deliver(File("products", "p.csv", content.encode()))
    assert feed.account() == [("p.csv", "loaded", 50, 50, 0, 0)]
    assert feed.rows("SELECT count(*), min(CAST(name AS INTEGER)) FROM products") == [(30, 20)]
