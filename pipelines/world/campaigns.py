"""Coupons redeemed, campaigns sent and the products on the shelf, as real as the source."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa

from pipelines.world.completejourney import read_table
from pipelines.world.files import FIRST_DAY, LAST_DAY, RawFile, local_midnight, utc
from pipelines.world.persons import Person
from pipelines.world.plan import Plan
from pipelines.world.small_sources import Row, csv_text

REDEMPTIONS_HEADER = "redemption_id,member_card,coupon_id,campaign_id,redeemed_on"
SENDS_HEADER = "send_id,member_card,campaign_id,campaign_type,sent_on"
NOON = 12 * 3600


def write_redemptions(plan: Plan, members: dict[int, list[Person]]) -> list[Row]:
    """Return one row per coupon redeemed, on the card of someone in the household."""
    rows: list[Row] = []
    for number, raw in enumerate(_rows("coupon_redemptions", "redemption_date"), 1):
        household = members.get(raw["household_id"])
        day: date = raw["redemption_date"]
        if household and FIRST_DAY <= day <= LAST_DAY:
            person = plan.random.choice(household[:2])
            key = f"cr{number:06d}"
            fields = [key, person.card.value, raw["coupon_upc"], raw["campaign_id"], day]
            rows.append(_row(key, person, day, fields))
    return rows


def write_sends(plan: Plan, members: dict[int, list[Person]]) -> list[Row]:
    """Return one row per campaign and household reached, on the campaign's first day."""
    campaigns = _rows("campaign_descriptions", "start_date")
    described = {one["campaign_id"]: one for one in campaigns}
    rows: list[Row] = []
    for number, raw in enumerate(read_table("campaigns").to_pylist(), 1):
        campaign = described[raw["campaign_id"]]
        day: date = campaign["start_date"]
        household = members.get(raw["household_id"])
        if household and FIRST_DAY <= day <= LAST_DAY:
            person = household[0]
            key = f"cs{number:06d}"
            fields = [key, person.card.value, raw["campaign_id"], campaign["campaign_type"], day]
            rows.append(_row(key, person, day, fields))
    return rows


def _rows(table: str, dated: str) -> list[dict[str, Any]]:
    raw = read_table(table)
    place = raw.column_names.index(dated)
    days = raw[dated].cast(pa.date32())
    rows: list[dict[str, Any]] = raw.set_column(place, dated, days).select(
        [name for name in raw.column_names if name != "end_date"]
    ).to_pylist()
    return rows


def _row(key: str, person: Person, day: date, fields: list[object]) -> Row:
    ids = (("member_card", person.card.value),)
    text = ",".join(str(one) for one in fields)
    return Row(key, person.number, local_midnight(day) + NOON, day, ids, text)


def products_file(products: pa.Table) -> RawFile:
    """Return the one file of products, delivered as the year begins."""
    columns = ["product_id", "department", "category", "name"]
    values = (products[name].to_pylist() for name in columns)
    rows = [list(row) for row in zip(*values, strict=True)]
    content = csv_text([list(columns), *rows]).encode()
    delivered_at = utc(local_midnight(FIRST_DAY))
    return RawFile("products", "products/2017-01-01.csv", delivered_at, content)
