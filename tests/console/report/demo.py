"""Plausible facts of a year, made without a lake, to look at the page and to test it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np

from console.report import (
    Audience,
    AudienceSize,
    CalibrationBin,
    Changes,
    DayOfSource,
    EventType,
    Example,
    Export,
    ExportStep,
    MethodScore,
    ModelSummary,
    PersonSize,
    Refusal,
    ReleaseRow,
    ReportFacts,
    Screened,
    TagBin,
    TagFacts,
    Trap,
)

_DAILY = {
    "app_events": (1040, 0.006, 0.012),
    "campaign_sends": (20, 0.0, 0.0),
    "consents": (30, 0.004, 0.0),
    "coupon_redemptions": (6, 0.0, 0.0),
    "erp_orders": (3620, 0.005, 0.0),
    "erp_orders_gbk": (400, 0.004, 0.0),
    "service_chats": (55, 0.005, 0.003),
}
FIRST = date(2017, 1, 2)


def demo(days: int = 365) -> ReportFacts:
    """Facts of ``days`` days of eight sources; the same at every call."""
    chance = np.random.default_rng(7)
    deliveries = tuple(
        sorted(
            (row for source in _DAILY for row in _source(chance, source, days)),
            key=lambda row: (row.source, row.day),
        )
    )
    events = sum(row.count_events for row in deliveries if row.source != "products")
    last = FIRST + timedelta(days=days - 2)
    return ReportFacts(
        programme="Sample retailer",
        zone="Asia/Shanghai",
        deliveries=deliveries,
        event_types=_event_types(events),
        refusals=_refusals(deliveries),
        count_events=events,
        count_persons=5_412,
        person_sizes=_sizes(),
        screened=(
            Screened("device_id", "blocked", 8),
            Screened("device_id", "hub", 5),
            Screened("phone", "hub", 10),
        ),
        changes=_changes(last),
        tags_on=last,
        tags=_tags(chance),
        count_scores={"churn": 3_120},
        models=(_model(),),
        audiences=(_audience(last),),
        evaluation=(
            MethodScore("these rules", 0.987, 0.942, 0.963, 21, 0.981, 0.957),
            MethodScore("hubs screened only", 0.861, 0.951, 0.921, 64),
            MethodScore("plain connected components", 0.004, 0.968, 0.083, 21_408),
        ),
        traps=(
            Trap("late file", 1, 1),
            Trap("shared card", 370, 293, 266, "found shared, its two holders apart", 0.9),
            Trap("new device", 772, 772, 730, "both values with one person", 0.95),
            Trap("store tablet", 3, 3, 3, "found to be a hub", 1.0),
        ),
        releases=_releases(last),
    )


def _source(chance: np.random.Generator, source: str, days: int) -> list[DayOfSource]:
    usual, refused, known = _DAILY[source]
    found = []
    for place in range(days):
        season = 1 + 0.25 * np.sin(place / 58) + (0.3 if place % 7 in (5, 6) else 0)
        rows = int(chance.poisson(usual * season))
        quarantined = int(chance.binomial(rows, refused))
        duplicates = int(chance.binomial(rows - quarantined, known))
        if source == "erp_orders" and place == days // 2:
            duplicates, rows = 380, rows + 380
        taken = rows - quarantined - duplicates
        day = FIRST + timedelta(days=place)
        found.append(DayOfSource(source, day, rows, taken, quarantined, duplicates))
    return found


def _event_types(events: int) -> tuple[EventType, ...]:
    shares = (
        ("erp_orders", "order_line", 0.70),
        ("app_events", "product_viewed", 0.12),
        ("app_events", "page_viewed", 0.06),
        ("erp_orders", "refund_line", 0.04),
        ("service_chats", "message", 0.02),
    )
    counts = [EventType(source, kind, int(events * share)) for source, kind, share in shares]
    rest = events - sum(kind.count for kind in counts)
    return (*counts, EventType("app_events", "identified", rest))


def _refusals(deliveries: tuple[DayOfSource, ...]) -> tuple[Refusal, ...]:
    refused = sum(row.count_quarantined for row in deliveries)
    return (
        Refusal(
            "erp_orders", "bad_time", 3_402,
            (
                Example(
                    "erp_orders/2017-03-05/group-04.csv", 1_208,
                    "ordered_at: expected ••••-••-•• ••:••:••, got yesterday",
                    "••••••••,2,yesterday,367,••••••,1,13.93,0.00,M••••••••,,••••-••-••,",
                ),
                Example("erp_orders/2017-03-06/group-02.csv", 77, "ordered_at: empty", "•,3,,367"),
            ),
        ),
        Refusal(
            "app_events", "broken_json", refused - 3_402 - 612,
            (
                Example(
                    "app_events/2017-05-01/13.jsonl.gz", 9, "unexpected end of the line",
                    '{"type": "track", "messageId": "a7••••••", "event": "Product Vie',
                ),
            ),
        ),
        Refusal(
            "erp_orders_gbk", "wrong_encoding", 612,
            (Example("erp_orders_gbk/2017-05-01/group-10.csv", 4, "not GBK", "门店,商品编码"),),
        ),
    )


def _sizes() -> tuple[PersonSize, ...]:
    counts = (1203, 902, 850, 740, 610, 430, 290, 170, 96, 52, 31, 17, 9, 6, 3, 1, 0, 1, 0, 0, 1)
    return tuple(PersonSize(place + 1, count) for place, count in enumerate(counts) if count)


def _changes(last: date) -> tuple[Changes, ...]:
    later = ((9, 3, 0, 0), (12, 2, 1, 0), (7, 4, 0, 0), (15, 1, 0, 1), (6, 2, 2, 0), (8, 3, 0, 0),
             (11, 5, 1, 1))
    first = Changes(last - timedelta(days=7), 5_351, 0, 0, 0)
    return (first, *(
        Changes(last - timedelta(days=6 - place), *row) for place, row in enumerate(later)
    ))


def _bars(*pairs: tuple[str, int]) -> tuple[TagBin, ...]:
    return tuple(TagBin(label, count) for label, count in pairs)


def _tags(chance: np.random.Generator) -> tuple[TagFacts, ...]:
    persons = 5_412
    counts, edges = np.histogram(chance.gamma(1.4, 320, 3_980), bins=24, range=(0, 1500))
    spent = tuple(
        TagBin("", int(count), float(low), float(high))
        for count, low, high in zip(counts, edges[:-1], edges[1:], strict=True)
    )
    cities = _bars(("北京", 1_402), ("上海", 701), ("广州", 512), ("深圳", 498), ("成都", 377),
                   ("杭州", 340), ("武汉", 301), ("西安", 220), ("12 others", 349))
    ages = _bars(("under 18", 41), ("18–24", 611), ("25–34", 1_203), ("35–44", 980), ("45+", 800))
    return (
        TagFacts("sex", "性别 sex", "category", 4_012, persons,
                 _bars(("female", 2_204), ("male", 1_808))),
        TagFacts("city", "城市 city", "category", 4_700, persons, cities),
        TagFacts("age_band", "年龄段 age band", "category", 3_635, persons, ages),
        TagFacts("spent_over_1000_30d", "近三十天消费超一千元", "flag", persons, persons,
                 _bars(("yes", 974), ("no", 4_438))),
        TagFacts("likes_coffee", "喜欢咖啡 likes coffee", "flag", persons, persons,
                 _bars(("yes", 811), ("no", 4_601))),
        TagFacts("spend_30d", "近三十天消费 spend, yuan", "number", 3_980, persons, spent),
        TagFacts("rfm_recency", "RFM recency", "category", 4_100, persons,
                 _bars(("1", 790), ("2", 812), ("3", 850), ("4", 826), ("5", 822))),
        TagFacts("churn_risk_high", "高流失风险", "flag", 3_120, persons,
                 _bars(("yes", 402), ("no", 2_718))),
        TagFacts("favourite_brand", "favourite_brand", "category", 0, persons),
    )


def _model() -> ModelSummary:
    observed = (0.018, 0.061, 0.094, 0.151, 0.21, 0.29, 0.36, 0.51, 0.66, 0.83)
    counts = (980, 620, 410, 300, 240, 180, 140, 110, 80, 60)
    bins = tuple(
        CalibrationBin(0.02 + 0.09 * place, share, count)
        for place, (share, count) in enumerate(zip(observed, counts, strict=True))
    )
    return ModelSummary("churn", 0.856, 0.771, 0.094, bins, "High churn risk 高流失风险")


def _audience(last: date) -> Audience:
    counts = (118, 121, 117, 124, 126, 122, 129, 131)
    sizes = tuple(
        AudienceSize(last - timedelta(days=7 - place), count) for place, count in enumerate(counts)
    )
    steps = (
        ExportStep("members", 131), ExportStep("have consented to export", 96),
        ExportStep("and have not withdrawn", 91), ExportStep("have a phone", 84),
        ExportStep("exported rows", 84),
    )
    export = Export("beijing_coffee_women", "SHA-256 of the phone", steps, ("members.csv",))
    words = ("lives in Beijing 北京", "likes coffee: at least two coffee baskets in 90 days",
             "active: any event in the last 7 days", "female")
    return Audience("beijing_coffee_women", "Beijing coffee lovers", words, sizes, (export,))


def _releases(last: date) -> tuple[ReleaseRow, ...]:
    start = datetime(2024, 3, 1, 8, tzinfo=UTC)
    return tuple(
        ReleaseRow(
            number, day := last - timedelta(days=8 - number),
            datetime(day.year, day.month, day.day, 19, tzinfo=UTC),
            start + timedelta(minutes=number),
            f"day-{day.isoformat()}", f"{number:016x}", "9f1c2ab04de1c7a2", 22,
        )
        for number in range(1, 9)
    )


def nothing() -> ReportFacts:
    """Facts of a lake that has seen no run."""
    return replace(ReportFacts(), zone="Asia/Shanghai")
