"""The declared tags at their borders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lake.draft import Draft
from tests.tiny import at, put_events, put_lines, put_persons

Compute = Callable[[Callable[[Draft], None]], dict[str, dict[str, Any]]]


@pytest.mark.rule("CDP-6")
def test_exactly_one_thousand_is_not_over_a_thousand(compute: Compute) -> None:
    def put(draft: Draft) -> None:
        put_persons(draft, {"exact": [1], "above": [2], "split": [3]})
        put_lines(
            draft,
            [
                (1, at(3), "o1", 100_000),
                (2, at(3), "o2", 100_001),
                (3, at(3), "o3", 60_000),
                (3, at(9), "o4", 40_001),
            ],
        )

    rows = compute(put)
    assert {name: row["is_big_spender_30d"] for name, row in rows.items()} == {
        "exact": False, "above": True, "split": True,
    }


@pytest.mark.rule("CDP-6")
def test_thirty_days_are_the_thirty_dates_that_end_with_the_day_in_the_programmes_zone(
    compute: Compute,
) -> None:
    def put(draft: Draft) -> None:
        put_persons(draft, {"first": [1], "before": [2], "last": [3]})
        put_lines(
            draft,
            [
                # 00:00 in Shanghai is still the day before in UTC.
                (1, at(29, "00:00:00"), "o1", 100_001),
                (2, at(30, "23:59:59.999"), "o2", 100_001),
                (3, at(0, "23:59:59.999"), "o3", 100_001),
            ],
        )

    rows = compute(put)
    assert [rows[name]["is_big_spender_30d"] for name in ("first", "before", "last")] == [
        True, False, True,
    ]
    assert rows["before"]["orders_paid_minor_365d"] == 100_001


@pytest.mark.rule("CDP-6")
def test_refunds_take_off_what_was_spent_and_are_no_orders(compute: Compute) -> None:
    def put(draft: Draft) -> None:
        put_persons(draft, {"p": [1]})
        put_lines(
            draft,
            [(1, at(5), "o1", 100_001), (1, at(2), "R1", -1, "P-TEA", "o1")],
        )

    row = compute(put)["p"]
    assert row["orders_paid_minor_30d"] == 100_000
    assert row["is_big_spender_30d"] is False
    assert row["orders_count_365d"] == 1
    assert row["recency_days"] == 5


@pytest.mark.rule("CDP-6")
def test_a_person_with_nothing_has_zeros_and_unknowns(compute: Compute) -> None:
    def put(draft: Draft) -> None:
        put_persons(draft, {"p": [1]})
        put_events(draft, [(1, at(100), "app_opened")])

    row = compute(put)["p"]
    assert row["orders_paid_minor_30d"] == 0
    assert [row[n] for n in ("is_big_spender_30d", "likes_coffee", "is_active_7d")] == [False] * 3
    unknown = ("gender", "city", "age_band", "recency_days", "rfm_score", "churn_probability",
               "is_churn_risk_high", "coffee_orders_share_90d")
    assert [row[name] for name in unknown] == [None] * len(unknown)


def test_a_person_without_any_partial_still_has_a_row(compute: Compute) -> None:
    def put(draft: Draft) -> None:
        put_persons(draft, {"p": [1], "q": [2]})
        put_events(draft, [(1, at(1), "app_opened")])

    rows = compute(put)
    assert rows["q"]["orders_count_ever"] == 0
    assert rows["p"]["is_active_7d"] is True


def test_rows_without_identifiers_belong_to_nobody(compute: Compute) -> None:
    def put(draft: Draft) -> None:
        put_persons(draft, {"p": [1]})
        put_lines(draft, [(None, at(1), "o1", 500_000), (1, at(1), "o2", 1)])

    assert compute(put)["p"]["orders_paid_minor_30d"] == 1


def test_active_means_any_event_in_seven_days(compute: Compute) -> None:
    def put(draft: Draft) -> None:
        put_persons(draft, {"in": [1], "out": [2]})
        put_events(draft, [(1, at(6, "00:00:00"), "message"), (2, at(7, "23:59:59"), "message")])

    rows = compute(put)
    assert (rows["in"]["is_active_7d"], rows["out"]["is_active_7d"]) == (True, False)


def test_the_last_stated_city_and_gender_count_and_spellings_are_one(compute: Compute) -> None:
    def put(draft: Draft) -> None:
        put_persons(draft, {"p": [1, 2]})
        put_events(
            draft,
            [
                (1, at(9), "identified", {"city": "上海", "gender": "F"}),
                (2, at(2), "identified", {"city": "Beijing", "gender": ""}),
            ],
        )

    row = compute(put)["p"]
    assert (row["city"], row["gender"]) == ("北京", "female")


def test_of_two_statements_at_one_instant_the_greater_value_is_the_last(compute: Compute) -> None:
    def put(draft: Draft) -> None:
        put_persons(draft, {"p": [1, 2], "q": [3]})
        said = [{"city": "成都"}, {"city": "杭州"}]
        put_events(draft, [(1, at(2), "identified", said[1]), (2, at(2), "identified", said[0])])
        put_events(draft, [(3, at(2), "identified", said[n]) for n in (0, 1)])

    rows = compute(put)
    assert (rows["p"]["city"], rows["q"]["city"]) == ("杭州", "杭州")


@pytest.mark.parametrize(
    ("birthday", "years", "band"),
    [
        ("1999-06-30", 18, "18-24"),
        ("1999-07-01", 17, "0-17"),
        ("1952-06-30", 65, "65+"),
        ("1996-02-29", 21, "18-24"),
        ("2018-01-01", None, None),
        ("the first of May", None, None),
    ],
)
def test_age_is_counted_on_the_date(
    compute: Compute, birthday: str, years: int | None, band: str | None
) -> None:
    def put(draft: Draft) -> None:
        put_persons(draft, {"p": [1]})
        put_events(draft, [(1, at(40), "identified", {"birthday": birthday})])

    row = compute(put)["p"]
    assert (row["age_years"], row["age_band"]) == (years, band)


def test_two_coffee_baskets_in_ninety_days_or_the_top_decile_by_share(compute: Compute) -> None:
    def put(draft: Draft) -> None:
        drinkers = {"twice": [1], "once": [2], "late": [3], "share": [4]}
        others = {f"other{n}": [10 + n] for n in range(12)}
        put_persons(draft, drinkers | others)
        lines = [
            (1, at(3), "a1", 10, "P-COFFEE"), (1, at(89), "a2", 10, "P-COFFEE"),
            (1, at(3), "a1", 10, "P-COFFEE"),
            (2, at(3), "b1", 10, "P-COFFEE"), (2, at(3), "b1", 10, "P-COFFEE"),
            (3, at(3), "c1", 10, "P-COFFEE"), (3, at(90), "c2", 10, "P-COFFEE"),
            (4, at(3), "d1", 10, "P-COFFEE"),
        ]
        # One coffee basket in five is the greatest share among those with five.
        lines += [(4, at(9), f"d{n}", 10) for n in range(2, 6)]
        lines += [(10 + k, at(9), f"x{k}-{n}", 10) for k in range(12) for n in range(5)]
        put_lines(draft, lines)

    rows = compute(put)
    liked = {name for name, row in rows.items() if row["likes_coffee"]}
    assert liked == {"twice", "share"}
    assert rows["twice"]["coffee_orders_count_90d"] == 2
    assert rows["once"]["coffee_orders_count_90d"] == 1


def test_equal_values_share_a_score(compute: Compute) -> None:
    def put(draft: Draft) -> None:
        put_persons(draft, {f"p{n}": [n] for n in range(10)})
        put_lines(draft, [(n, at(3), f"o{n}", 500 if n < 8 else 900) for n in range(10)])

    rows = compute(put)
    assert {rows[f"p{n}"]["rfm_monetary"] for n in range(8)} == {1}
    assert {rows[f"p{n}"]["rfm_monetary"] for n in (8, 9)} == {5}
    assert {row["rfm_score"] for row in rows.values()} == {"511", "515"}
