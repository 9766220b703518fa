"""A tag for every function of the vocabulary, and rows for all of them."""

from __future__ import annotations

from datetime import date
from typing import Any

from pipelines.tags import declared
from pipelines.tags.streaming import Event
from schemas.tag_definitions import Tag, TagFile
from tests.pipelines.tags.streaming.test_equals_batch import PRODUCTS, world
from tests.tiny import tag

__all__ = ["DAY", "PRODUCTS", "TAGS", "events"]
DAY = date(2017, 7, 5)
EVENTS: dict[str, Any] = {"from_": "events", "window": {"last": "20 d"}}
INTEGER = EVENTS | {"field": "points", "as": "integer"}
TEXTS = EVENTS | {"field": "city"}
COUNT: dict[str, Any] = {"from_": "events", "measure": "count"}
TEXT, NUMBER, BOOLEAN = {"type": "text"}, {"type": "number"}, {"type": "boolean"}
BY_FUNCTION: dict[str, Tag] = {
    "count": tag("count", measure="count", **EVENTS),
    "any": tag("any", measure="any", types=["viewed"], **BOOLEAN, **EVENTS),
    "sum": tag("sum", measure="sum", **INTEGER),
    "sum of decimals": tag(
        "sum_of_decimals", measure="sum", field="price", **NUMBER, **(EVENTS | {"as": "decimal"})
    ),
    "avg": tag("avg", measure="avg", **NUMBER, **INTEGER),
    "min": tag("min", measure="min", **INTEGER),
    "max": tag("max", measure="max", field="due", type="date", **(EVENTS | {"as": "date"})),
    "first": tag("first", measure="first", **TEXT, **TEXTS),
    "last": tag("last", measure="last", **TEXT, **TEXTS),
    "distinct_count": tag("distinct_count", measure="distinct_count", **TEXTS),
    "most_frequent": tag("most_frequent", measure="most_frequent", **TEXT, **TEXTS),
    "top_n": tag("top_n", measure="top_n", n=2, type="texts", **TEXTS),
    "days_active": tag("days_active", measure="days_active", **EVENTS),
    "days_since": tag("days_since", measure="days_since", **EVENTS),
    "days_since_first": tag("days_since_first", measure="days_since_first", **EVENTS),
    "streak": tag("streak", measure="streak", **EVENTS),
    "years_since": tag("years_since", measure="years_since", field="due",
                       **(EVENTS | {"as": "date"})),
    "of a product": tag("of_a_product", from_="order_lines", window="ever", **TEXT,
                        measure="most_frequent", field="category"),
    "ever": tag("ever", window="ever", **COUNT),
    "last days": tag("last_days", window={"last": "3 d"}, **COUNT),
    "this month": tag("this_month", window={"this": "month"}, **COUNT),
    "previous month": tag("previous_month", window={"previous": "month"}, **COUNT),
    "between dates": tag("between_dates", window={"between": ["2017-06-10", "2017-06-20"]},
                         **COUNT),
    "where": tag("rows_where", **EVENTS, measure="count", where={
        "combinator": "or", "not": True, "rules": [
            {"field": "city", "operator": "=", "value": "成都"},
            {"field": "points", "operator": "null"}]}),
    "condition": tag("condition", of="sum", condition={"operator": ">", "value": 0}, **BOOLEAN),
    "rule": tag("rule", **BOOLEAN, rule={"combinator": "and", "rules": [
        {"field": "sum", "operator": "between", "value": [-3, 9]},
        {"field": "city_or", "operator": "!=", "value": "成都"}]}),
    "bands": tag("bands", of="avg", **TEXT, bands=[
        {"value": "low", "below": -0.5}, {"value": "middle", "below": 1.0}, {"value": "high"}]),
    "stages": tag("stages", **TEXT, stages=[
        {"value": "new", "when": {"field": "count", "operator": ">", "value": 0}},
        {"value": "keen", "when": {"field": "count", "operator": ">", "value": 18}}]),
    "ratio": tag("ratio", ratio={"of": "sum", "to": "count"}, **NUMBER),
    "join": tag("join", join=["count", "last", "max"], **TEXT),
    "map": tag("spelt", **TEXTS, **TEXT, measure="last", map={"北京": "BJ"}),
    "values": tag("known", of="spelt", values=["BJ", "成都"], **TEXT),
    "otherwise": tag("city_or", of="known", otherwise="成都", **TEXT),
    "contains": tag("contains", **BOOLEAN,
                    rule={"field": "top_n", "operator": "contains", "value": "杭州"}),
    "score": tag("score", of="count", score={"bands": 3, "best": "lowest"}),
    "model": tag("model_gave", kind="predictive", model="churn", **NUMBER),
    "sql": tag("free", sql="SELECT b.one_id, COUNT(*) AS value FROM events AS e "
               "JOIN bundle_persons AS b ON b.bundle_id = e.bundle_id "
               "WHERE e.business_date <= :business_date GROUP BY b.one_id"),
}
TAGS = declared([TagFile(list(BY_FUNCTION.values()))])


def events() -> list[Event]:
    """Rows of four bundles, without repeats."""
    kept: dict[str, Event] = {}
    for one in world(3, "Asia/Shanghai", 200):
        kept.setdefault(one.id, one)
    return list(kept.values())
