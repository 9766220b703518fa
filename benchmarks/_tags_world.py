"""The lake of the tag benchmark: events spread thin over many days, and thirty tags."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from domain.dates import cut
from lake.draft import Draft
from lake.store import Lake, open_lake
from pipelines.tags import declared
from schemas.tag_definitions import Tag, TagFile

FIRST = date(2024, 1, 1)
CLOCK = datetime(2027, 1, 1, tzinfo=UTC)
BUNDLES_PER_PERSON = 4

_WHEN = """'bench' AS source, '{mark}' || i AS event_id,
  CAST(day AS TIMESTAMPTZ) + to_seconds(hash(i, 1) % 57600) AS occurred_at,
  CAST(day AS TIMESTAMPTZ) + to_seconds(86400) AS received_at, day AS business_date, bundle_id"""
_ROWS = """SELECT i, DATE '{first}' + CAST(i // {per_day} AS INTEGER) AS day,
  CAST(hash(i, 2) % {bundles} AS BIGINT) AS bundle_id, hash(i, 3) % 100 AS k, hash(i, 4) AS h
  FROM range({start}, {end}) AS r(i)"""
_EVENTS = f"""SELECT {_WHEN}, CASE WHEN k < 50 THEN 'product_viewed' WHEN k < 70 THEN
  'screen_viewed' WHEN k < 78 THEN 'product_added' WHEN k < 80 THEN 'identified' ELSE 'order_line'
  END AS type, false AS is_clock_corrected, false AS is_clock_suspect,
  CASE WHEN k < 50 THEN MAP {{{{'product_id': 'p' || h % 5000, 'category': 'c' || h % 40}}}}
    WHEN k BETWEEN 78 AND 79 THEN MAP {{{{'city': 'city' || h % 300}}}}
    ELSE MAP {{{{'page': 'x'}}}} END AS properties, 'f' AS file, 1 AS line FROM ({{rows}})"""
_LINES = f"""SELECT {_WHEN}, 'o' || (i // 2) AS order_id, 1 AS line_no, 's' || h % 50 AS store_id,
  'p' || h % 5000 AS product_id, 1 AS quantity, NULL AS unit_price,
  CASE WHEN k = 99 THEN -1 ELSE 1 END * CAST(h % 20000 AS BIGINT) AS paid_minor,
  0 AS coupon_minor, 'CNY' AS currency, NULL AS received_on, NULL AS after_sale_ends_at,
  CASE WHEN k = 99 THEN 'o' || (i // 3) END AS refund_of FROM ({{rows}}) WHERE k >= 80"""

VIEWS = {"from": "events", "types": ["product_viewed"]}
BOUGHT = {"from": "order_lines", "where": {"field": "refund_of", "operator": "null"}}
LINES: dict[str, Any] = {"from": "order_lines"}
ANY: dict[str, Any] = {"from": "events"}


def tags() -> list[Tag]:
    """Thirty tags as a retailer has them: counts, money, recency, favourites, conditions."""
    last = {days: {"last": f"{days} d"} for days in (7, 30, 90, 365)}
    made: list[dict[str, Any]] = [
        *({"name": f"views_{n}d", **VIEWS, "measure": "count", "window": last[n]}
          for n in (7, 30, 90)),
        *({"name": f"paid_{n}d", **LINES, "measure": "sum", "field": "paid_minor",
           "window": last[n]} for n in (7, 30, 90, 365)),
        {"name": "paid_ever", **LINES, "measure": "sum", "field": "paid_minor", "window": "ever"},
        {"name": "paid_month", **LINES, "measure": "sum", "field": "paid_minor",
         "window": {"this": "month"}},
        {"name": "basket_365d", **BOUGHT, "measure": "avg", "field": "paid_minor",
         "window": last[365], "type": "number"},
        {"name": "dearest_365d", **BOUGHT, "measure": "max", "field": "paid_minor",
         "window": last[365]},
        {"name": "cheapest_ever", **BOUGHT, "measure": "min", "field": "paid_minor",
         "window": "ever"},
        *({"name": f"orders_{n}d", **BOUGHT, "measure": "distinct_count", "field": "order_id",
           "window": last[n]} for n in (30, 90, 365)),
        {"name": "recency", **BOUGHT, "measure": "days_since", "window": "ever"},
        {"name": "first_order", **BOUGHT, "measure": "days_since_first", "window": "ever"},
        {"name": "events_ever", **ANY, "measure": "count", "window": "ever"},
        *({"name": f"active_{n}d", **ANY, "measure": "days_active", "window": last[n]}
          for n in (30, 90)),
        {"name": "is_active", **ANY, "measure": "any", "window": last[7], "type": "boolean"},
        {"name": "carts_7d", "from": "events", "types": ["product_added"], "measure": "count",
         "window": last[7]},
        {"name": "city", "from": "events", "types": ["identified"], "measure": "last",
         "field": "city", "window": "ever", "type": "text"},
        {"name": "favourite_90d", **VIEWS, "measure": "most_frequent", "field": "category",
         "window": last[90], "type": "text"},
        {"name": "categories_30d", **VIEWS, "measure": "distinct_count", "field": "category",
         "window": last[30]},
        {"name": "big_spender", "of": "paid_30d", "type": "boolean",
         "condition": {"operator": ">", "value": 15000}},
        {"name": "views_per_order", "ratio": {"of": "views_90d", "to": "orders_90d"},
         "type": "number"},
        {"name": "monetary", "of": "paid_365d", "score": {"bands": 5}},
        {"name": "spender_band", "of": "paid_365d", "type": "text", "bands": [
            {"value": "low", "below": 10000}, {"value": "middle", "below": 50000},
            {"value": "high"}]},
        {"name": "is_lapsed", "type": "boolean", "rule": {"combinator": "and", "rules": [
            {"field": "recency", "operator": ">", "value": 60},
            {"field": "is_active", "operator": "=", "value": True}]}},
    ]
    plain = [{"label": one["name"], "kind": "rule", "type": "integer"} | one for one in made]
    return declared([TagFile([msgspec.convert(one, Tag) for one in plain])])


def day_of(number: int) -> date:
    """The business date ``number`` days after the first."""
    return FIRST + timedelta(days=number)


def open_draft(lake: Lake, day: date) -> Any:
    """The next release of the benchmark's lake."""
    return lake.draft(day, cut(day, "Asia/Shanghai", 3))


def bundles_of(persons: int) -> int:
    """How many bundles ``persons`` have."""
    return persons * BUNDLES_PER_PERSON


def make(folder: Path, per_day: int, days: int, persons: int) -> None:
    """A lake of ``days`` dates, published without partials or tags."""
    bundles = bundles_of(persons)
    lake = open_lake(folder, create=True)
    with open_draft(lake, day_of(days - 1)) as draft:
        draft.replace("persons", f"""SELECT 'person' || i AS one_id, i AS person_no,
          TIMESTAMPTZ '2024-01-01 00:00:00+00' AS born_at, 'bench' AS birth_source,
          'e' AS birth_event_id, 'p' AS birth_path, 2 AS count_identifiers
          FROM range({persons}) AS r(i)""")
        draft.replace("bundle_persons", f"""SELECT i AS bundle_id,
          'person' || (i // {BUNDLES_PER_PERSON}) AS one_id, DATE '0001-01-01' AS valid_from,
          DATE '9999-12-31' AS valid_to, false AS is_borrowed FROM range({bundles}) AS r(i)""")
        for start in range(0, days, 40):
            add(draft, start, min(40, days - start), per_day, bundles)
        draft.publish("run", "inputs", "rules", lambda: CLOCK)


def add(draft: Draft, first: int, days: int, per_day: int, bundles: int) -> None:
    """Append the events and order lines of ``days`` dates from the date number ``first``."""
    rows = _ROWS.format(
        first=FIRST, per_day=per_day, bundles=bundles, start=first * per_day,
        end=(first + days) * per_day,
    )
    draft.append("events", _EVENTS.format(mark="e", rows=rows))
    draft.append("order_lines", _LINES.format(mark="l", rows=rows))
