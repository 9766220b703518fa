"""Order lines as the ERP gives them: one CSV per store group and business day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.world.completejourney import Purchases
from pipelines.world.files import DAY_SECONDS, YEAR_END, RawFile, local_texts, next_day_at
from pipelines.world.orders import Orders, business_days
from pipelines.world.parameters import Parameters
from pipelines.world.spoils import Spoiled, draw_reason, spoil

HEADER = (
    "order_id,line_no,ordered_at,store_id,product_id,quantity,paid_amount,coupon_amount,"
    "member_card,phone,received_on,after_sale_ends_at,refund_of"
)
GBK_HEADER = (
    "订单号,行号,下单时间,门店,商品编码,数量,实付金额,优惠券金额,会员卡号,手机号,收货日期,"
    "售后截止时间,原订单号"
)
GBK_GROUP = 10
# The changed file keeps every column; identity columns come first.
CHANGED_ORDER = (0, 9, 8, 1, 2, 3, 4, 7, 6, 5, 12, 11, 10)


@dataclass(slots=True)
class OrderFile:
    """A file's place among the sorted lines, and how it was delivered."""

    source: str
    path: str
    day: date
    start: int
    end: int
    delay_hours: int = 0
    is_column_order_changed: bool = False
    repeats: str | None = None


@dataclass(slots=True)
class OrderLines:
    """Sorted lines as text with their ends; `order` and `is_refund` are per line."""

    text: pa.Array
    event_id: pa.Array
    basket: np.ndarray
    at: np.ndarray
    files: list[OrderFile]
    spoiled: dict[int, str] = field(default_factory=dict)


def build_lines(
    purchases: Purchases, orders: Orders, rng: np.random.Generator, p: Parameters
) -> OrderLines:
    """Return every order and refund line of the year, sorted by file and time."""
    basket_of_line = np.repeat(np.arange(len(purchases.basket)), purchases.count)
    line_no = np.arange(len(basket_of_line)) - purchases.first[basket_of_line] + 1
    sold = np.flatnonzero((purchases.quantity > 0) & (purchases.paid > 0))
    refunded = sold[rng.random(len(sold)) < p.refund_lines]
    days = rng.integers(p.refund_days[0], p.refund_days[1] + 1, len(refunded))
    refund_at = purchases.at[basket_of_line[refunded]] + days * DAY_SECONDS
    inside = refund_at < YEAR_END
    refunded, refund_at = refunded[inside], refund_at[inside]
    lines = np.r_[np.arange(len(basket_of_line)), refunded]
    is_refund = np.arange(len(lines)) >= len(basket_of_line)
    basket = basket_of_line[lines]
    at = np.r_[purchases.at[basket_of_line], refund_at]
    heads = _order_texts(purchases, orders, p)
    group = orders.group[basket]
    day = business_days(at)
    number = np.where(is_refund, 1, line_no[lines])
    order = np.lexsort((number, basket, is_refund, at, group, day))
    order_id = _order_ids(purchases, basket, is_refund)
    text = _line_texts(purchases, heads, lines, basket, at, is_refund, number, order_id, order)
    key = order_id.take(pa.array(order))
    event_id = pc.binary_join_element_wise(key, pa.array(number[order]).cast(pa.string()), ":")
    files = _cut_files(day[order], group[order])
    return OrderLines(text, event_id, basket[order], at[order], files)


def _order_ids(purchases: Purchases, basket: np.ndarray, is_refund: np.ndarray) -> pa.Array:
    numbers = pa.array(purchases.basket[basket]).cast(pa.string())
    sold = pc.binary_join_element_wise("O", numbers, "")
    serial = pa.array(np.cumsum(is_refund)).cast(pa.string())
    refund = pc.binary_join_element_wise("R", pc.utf8_lpad(serial, 9, "0"), "")
    return pc.if_else(pa.array(is_refund), refund, sold)


def _order_texts(purchases: Purchases, orders: Orders, p: Parameters) -> pa.Table:
    midnight = business_days(purchases.at) * DAY_SECONDS - 8 * 3600
    ends = midnight + (p.after_sale_days + 1) * DAY_SECONDS - 1
    return pa.table(
        {
            "id": pa.array(purchases.basket).cast(pa.string()),
            "store": pa.array(purchases.store).cast(pa.string()),
            "holder": pc.binary_join_element_wise(
                pa.array(orders.cards), pa.array(orders.typed), ","
            ),
            "ends": pa.array(local_texts(ends).astype(object)),
        }
    )


def _line_texts(
    purchases: Purchases, heads: pa.Table, lines: np.ndarray, basket: np.ndarray,
    at: np.ndarray, is_refund: np.ndarray, number: np.ndarray, order_id: pa.Array,
    order: np.ndarray,
) -> pa.Array:
    sign = np.where(is_refund, -1, 1)
    taken = pa.array(basket[order])
    head = {name: heads[name].combine_chunks().take(taken) for name in heads.column_names}
    origin = pc.if_else(
        pa.array(is_refund[order]), pc.binary_join_element_wise("O", head["id"], ""), ""
    )
    ordered_at = local_texts(at[order])
    product = purchases.products["product_id"].to_numpy()[purchases.product[lines]]
    return pc.binary_join_element_wise(
        order_id.take(pa.array(order)),
        pa.array(number[order]).cast(pa.string()),
        pa.array(ordered_at.astype(object)),
        head["store"],
        pa.array(product[order]).cast(pa.string()),
        pa.array((sign * purchases.quantity[lines])[order]).cast(pa.string()),
        decimal_text((sign * purchases.paid[lines])[order]),
        decimal_text(np.where(is_refund, 0, purchases.coupon[lines])[order]),
        head["holder"],
        pa.array(ordered_at.astype("U10").astype(object)),
        head["ends"],
        pc.binary_join_element_wise(origin, "\n", ""),
        ",",
    )


def decimal_text(cents: np.ndarray) -> pa.Array:
    """Return hundredths as decimal text with two digits."""
    size = np.abs(cents)
    whole = pa.array(size // 100).cast(pa.string())
    rest = pc.utf8_lpad(pa.array(size % 100).cast(pa.string()), 2, "0")
    sign = pc.if_else(pa.array(cents < 0), "-", "")
    return pc.binary_join_element_wise(sign, whole, ".", rest, "")


def _cut_files(day: np.ndarray, group: np.ndarray) -> list[OrderFile]:
    key = day * 100 + group
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]]).tolist()
    cut: list[OrderFile] = []
    for start, end in zip(starts, [*starts[1:], len(key)], strict=True):
        on = date(1970, 1, 1) + timedelta(days=int(day[start]))
        number = int(group[start])
        source = "erp_orders_gbk" if number == GBK_GROUP else "erp_orders"
        path = f"{source}/{on}/group-{number:02d}.csv"
        cut.append(OrderFile(source, path, on, start, end))
    return cut


def set_file_traps(lines: OrderLines, random: Random) -> dict[str, OrderFile]:
    """Choose a file delivered twice, one a day late and one with changed columns."""
    plain = [one for one in lines.files if one.source == "erp_orders" and one.end - one.start > 20]
    twice, late, changed = random.sample(plain[len(plain) // 4 :], 3)
    late.delay_hours = 24
    changed.is_column_order_changed = True
    again = OrderFile(
        twice.source, twice.path.replace(".csv", ".redelivered.csv"), twice.day,
        twice.start, twice.end, delay_hours=48, repeats=twice.path,
    )
    lines.files.append(again)
    return {"redelivered_file": again, "late_file": late, "changed_columns": changed}


def spoil_lines(lines: OrderLines, random: Random, share: float, spared: list[OrderFile]) -> None:
    """Choose malformed lines outside the spared files; the lines themselves are cut later."""
    by_start = sorted((one.start, one.end, one.source) for one in lines.files if not one.repeats)
    starts = np.array([start for start, _, _ in by_start])
    safe = [(one.start, one.end) for one in spared]
    for row in random.sample(range(len(lines.text)), round(share * len(lines.text))):
        if not any(start <= row < end for start, end in safe):
            source = by_start[int(np.searchsorted(starts, row, "right")) - 1][2]
            lines.spoiled[row] = draw_reason(source, random)


def spoiled_rows(lines: OrderLines) -> list[Spoiled]:
    """Return the truth of malformed order lines, by file and line."""
    found: list[Spoiled] = []
    rows = np.array(sorted(lines.spoiled), dtype=np.int64)
    for one in lines.files:
        for row in rows[np.searchsorted(rows, one.start) : np.searchsorted(rows, one.end)].tolist():
            reason = lines.spoiled[row]
            found.append(Spoiled(one.source, one.path, row - one.start + 2, reason))
    return found


def order_files(lines: OrderLines) -> Iterator[RawFile]:
    """Yield the files with their bytes, lines cut from one buffer."""
    buffers = lines.text.buffers()
    offsets = np.frombuffer(buffers[1], dtype=np.int32)
    content = memoryview(buffers[2])
    hurt = np.array(sorted(lines.spoiled), dtype=np.int64)
    for one in lines.files:
        body = bytes(content[offsets[one.start] : offsets[one.end]])
        header = GBK_HEADER if one.source == "erp_orders_gbk" else HEADER
        rows = hurt[np.searchsorted(hurt, one.start) : np.searchsorted(hurt, one.end)].tolist()
        if rows:
            parts = body.split(b"\n")
            for row in rows:
                place = row - one.start
                parts[place] = spoil(one.source, parts[place], lines.spoiled[row])
            body = b"\n".join(parts)
        if one.is_column_order_changed:
            header, body = _change_order(header), _change_order(body.decode()).encode()
        encoding = "gbk" if one.source == "erp_orders_gbk" else "utf-8"
        delivered_at = next_day_at(one.day, 2, 30) + timedelta(hours=one.delay_hours)
        yield RawFile(one.source, one.path, delivered_at, header.encode(encoding) + b"\n" + body)


def _change_order(text: str) -> str:
    rows = [line.split(",") for line in text.splitlines()]
    end = "\n" if text.endswith("\n") else ""
    return "\n".join(",".join(row[place] for place in CHANGED_ORDER) for row in rows) + end
