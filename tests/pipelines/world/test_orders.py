"""The ERP's files: headers, amounts, refunds, phones and the three odd files."""

from __future__ import annotations

import csv
from datetime import date, datetime, timedelta

import phonenumbers

from pipelines.world.order_files import CHANGED_ORDER, GBK_HEADER, HEADER
from tests.pipelines.world.small_world import Small


def read_orders(world: Small) -> list[dict[str, str]]:
    """Return the readable order lines of the UTF-8 groups in the usual column order."""
    bad = {(row["path"], row["line"]) for row in world.rows("spoiled")}
    found = []
    for path in world.paths("erp_orders"):
        lines = world.lines(path)
        names = lines[0].decode().split(",")
        for number, line in enumerate(lines[1:], 2):
            if (path, number) not in bad:
                fields = next(csv.reader([line.decode()]))
                found.append(dict(zip(names, fields, strict=True)))
    return found


def test_group_ten_is_gbk_with_chinese_headers(basic: Small) -> None:
    path = basic.paths("erp_orders_gbk")[0]
    assert basic.lines(path)[0].decode("gbk") == GBK_HEADER
    assert path.endswith("group-10.csv")


def test_orders_fall_on_the_date_of_their_folder(basic: Small) -> None:
    path = basic.paths("erp_orders")[5]
    day = path.split("/")[1]
    assert all(line.split(b",")[2].startswith(day.encode()) for line in basic.lines(path)[1:])
    at = basic.files[path].delivered_at
    assert at == datetime.fromisoformat(f"{day}T02:30:00+08:00") + timedelta(days=1)


def test_refunds_are_negative_and_one_to_ten_days_after_their_order(untrapped: Small) -> None:
    rows = read_orders(untrapped)
    sold = {row["order_id"]: row for row in rows if not row["refund_of"]}
    refunds = [row for row in rows if row["refund_of"]]
    assert 0.005 < len(refunds) / len(rows) < 0.015
    for row in refunds:
        days = date.fromisoformat(row["received_on"]) - date.fromisoformat(
            sold[row["refund_of"]]["received_on"]
        )
        assert 1 <= days.days <= 10
        assert int(row["quantity"]) < 0
        assert float(row["paid_amount"]) < 0
        assert row["received_on"] <= row["after_sale_ends_at"][:10]


def test_typed_phones_parse_to_the_holders_number(untrapped: Small) -> None:
    known = {row["value"] for row in untrapped.rows("identifiers") if row["type"] == "phone"}
    typed = {row["phone"] for row in read_orders(untrapped)} - {""}
    assert len(typed) > len(known)
    for text in typed:
        number = phonenumbers.parse(text, "CN")
        assert phonenumbers.is_valid_number(number)
        assert phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) in known


def test_card_and_phone_stand_on_their_shares_of_orders(untrapped: Small) -> None:
    orders = {row["order_id"]: row for row in read_orders(untrapped)}.values()
    share = {
        name: sum(bool(row[name]) for row in orders) / len(orders)
        for name in ("member_card", "phone")
    }
    assert 0.66 < share["member_card"] < 0.74
    assert 0.36 < share["phone"] < 0.44


def test_the_redelivered_file_repeats_the_first_line_by_line(basic: Small) -> None:
    again = next(path for path in basic.files if "redelivered" in path)
    first = again.replace(".redelivered", "")
    assert basic.files[again].content == basic.files[first].content
    assert basic.files[again].delivered_at > basic.files[first].delivered_at
    repeats = [row for row in basic.rows("repeats") if row["path"] == again]
    assert len(repeats) == len(basic.lines(first)) - 1


def test_the_changed_file_holds_every_column_in_another_order(basic: Small) -> None:
    trap = next(row for row in basic.rows("traps") if row["trap"] == "changed_columns")
    header = basic.lines(trap["identifiers"][0])[0].decode().split(",")
    assert header == [HEADER.split(",")[place] for place in CHANGED_ORDER]
    assert sorted(header) == sorted(HEADER.split(","))


def test_the_late_file_comes_a_day_later(basic: Small) -> None:
    trap = next(row for row in basic.rows("traps") if row["trap"] == "late_file")
    path = trap["identifiers"][0]
    due = datetime.fromisoformat(f"{path.split('/')[1]}T02:30:00+08:00") + timedelta(days=2)
    assert basic.files[path].delivered_at == due
