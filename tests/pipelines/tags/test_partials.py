"""Partials merge: by day, by bundle, by person."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lake import conf
from lake.draft import Draft
from lake.store import open_lake
from pipelines.tags import declared, publish_tags, refresh_partials
from pipelines.tags.cells import all_cells
from pipelines.tags.partials import slots_of, stale_dates
from schemas.model_definitions import Model
from schemas.tag_definitions import Tag, TagFile
from tests import tiny

CLOCK = datetime(2018, 1, 1, tzinfo=UTC)
ADDITIVE = ("orders_paid_minor_30d", "orders_paid_minor_365d", "orders_count_ever",
            "coffee_orders_count_90d")


def random_lines(seed: int, days: int = 40) -> list[tuple[Any, ...]]:
    draw = random.Random(seed)
    return [
        (draw.randrange(1, 7), tiny.at(draw.randrange(days), f"{draw.randrange(24):02}:30:00"),
         f"o{n}", draw.randrange(50_000), draw.choice(["P-TEA", "P-COFFEE"]))
        for n in range(60)
    ]


def random_events(seed: int, days: int = 40) -> list[tuple[Any, ...]]:
    draw = random.Random(seed)
    return [
        (draw.randrange(1, 7), tiny.at(draw.randrange(days)), "identified",
         {"city": draw.choice(["北京", "成都", "杭州"])})
        for _ in range(40)
    ]


def partial_rows(draft: Draft) -> list[tuple[object, ...]]:
    return draft.session.rows("SELECT * FROM partials ORDER BY ALL") + draft.session.rows(
        "SELECT * FROM partial_values ORDER BY ALL"
    )


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize("seed", range(3))
def test_a_merge_of_persons_gives_the_sums(
    tmp_path: Path, sample_tags: list[Tag], seed: int
) -> None:
    apart: dict[str, list[int]] = {"a": [1, 2], "b": [3, 4, 5], "c": [6]}
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_products(draft)
        tiny.put_lines(draft, random_lines(seed))
        tiny.put_events(draft, random_events(seed))
        refresh_partials(draft, sample_tags)
        seen = []
        for persons in (apart, {"ab": [1, 2, 3, 4, 5], "c": [6]}, apart):
            tiny.put_persons(draft, persons)
            publish_tags(draft, sample_tags)
            seen.append(tiny.tag_rows(draft))
    before, merged, undone = seen
    for name in ADDITIVE:
        assert merged["ab"][name] == before["a"][name] + before["b"][name]
    assert merged["ab"]["recency_days"] == min(before[p]["recency_days"] for p in "ab")
    assert merged["c"]["city"] == before["c"]["city"]
    assert undone == before


def test_an_order_seen_through_two_bundles_of_a_person_counts_once(
    tmp_path: Path, sample_tags: list[Tag]
) -> None:
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_persons(draft, {"p": [1, 2]})
        tiny.put_lines(draft, [(1, tiny.at(2), "o1", 5), (2, tiny.at(2), "o1", 7)])
        refresh_partials(draft, sample_tags)
        publish_tags(draft, sample_tags)
        row = tiny.tag_rows(draft)["p"]
    assert (row["orders_count_ever"], row["orders_paid_minor_30d"]) == (1, 12)


def test_a_bundle_goes_to_whom_it_belonged_on_the_date(
    tmp_path: Path, sample_tags: list[Tag]
) -> None:
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_persons(draft, {"old": [1], "new": [2]})
        change = tiny.DAY - timedelta(days=5)
        draft.replace(
            "bundle_persons",
            f"SELECT 1 AS bundle_id, 'old' AS one_id, DATE '0001-01-01' AS valid_from, "
            f"DATE '{change}' AS valid_to, false AS is_borrowed "
            f"UNION ALL SELECT 1, 'new', DATE '{change}', DATE '9999-12-31', false",
        )
        tiny.put_lines(draft, [(1, tiny.at(6), "o1", 10), (1, tiny.at(5), "o2", 20)])
        refresh_partials(draft, sample_tags)
        publish_tags(draft, sample_tags)
        rows = tiny.tag_rows(draft)
    assert {name: row["orders_paid_minor_30d"] for name, row in rows.items()} == {
        "old": 10, "new": 20,
    }


@pytest.mark.parametrize("seed", range(2))
def test_partials_by_increment_equal_those_of_one_load(
    tmp_path: Path, sample_tags: list[Tag], seed: int
) -> None:
    lines, events = random_lines(seed), random_events(seed)
    # The second half is delivered later, for any date: late rows among them.
    halves = [(lines[:30], events[:20]), (lines[30:], events[20:])]
    for half_lines, half_events in halves:
        with tiny.tiny_draft(tmp_path / "days") as draft:
            if draft.parent is None:
                tiny.put_products(draft)
            tiny.put_lines(draft, half_lines)
            tiny.put_events(draft, half_events)
            refresh_partials(draft, sample_tags)
            by_days = partial_rows(draft)
            draft.publish("run", "inputs", "rules", lambda: CLOCK)
    with tiny.tiny_draft(tmp_path / "whole") as draft:
        tiny.put_products(draft)
        tiny.put_lines(draft, lines)
        tiny.put_events(draft, events)
        refresh_partials(draft, sample_tags)
        assert partial_rows(draft) == by_days


def test_only_dates_with_new_rows_are_computed_again(
    tmp_path: Path, sample_tags: list[Tag]
) -> None:
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_products(draft)
        tiny.put_lines(draft, [(1, tiny.at(n), f"o{n}", 10) for n in range(5)])
        assert refresh_partials(draft, sample_tags) > 0
        draft.publish("run", "inputs", "rules", lambda: CLOCK)
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_lines(draft, [(1, tiny.at(3), "late", 10)])
        slots = slots_of(all_cells(sample_tags))
        assert stale_dates(draft, slots) == [tiny.DAY - timedelta(days=3)]


def test_a_catalogue_delivered_again_as_it_was_makes_no_date_anew(
    tmp_path: Path, sample_tags: list[Tag]
) -> None:
    slots = slots_of(all_cells(sample_tags))
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_products(draft)
        tiny.put_lines(draft, [(1, tiny.at(n), f"o{n}", 10) for n in range(5)])
        refresh_partials(draft, sample_tags)
        draft.publish("run", "inputs", "rules", lambda: CLOCK)
    with tiny.tiny_draft(tmp_path) as draft:
        draft.replace("products", "SELECT * FROM products")
        assert stale_dates(draft, slots) == []
        draft.replace("products", "SELECT * REPLACE ('other' AS category) FROM products")
        assert len(stale_dates(draft, slots)) == 5


def test_persons_without_any_row_have_tags(tmp_path: Path, sample_tags: list[Tag]) -> None:
    for ago in (1, 0):
        with tiny.tiny_draft(tmp_path, tiny.DAY - timedelta(days=ago)) as draft:
            tiny.put_persons(draft, {"p": [1]})
            refresh_partials(draft, sample_tags)
            publish_tags(draft, sample_tags)
            assert tiny.tag_rows(draft)["p"]["orders_count_ever"] == 0
            draft.publish("run", "inputs", "rules", lambda: CLOCK)


def test_a_new_measure_is_computed_over_history(tmp_path: Path, sample_tags: list[Tag]) -> None:
    new = tiny.tag("pieces", from_="order_lines", measure="sum", field="quantity", window="ever")
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_persons(draft, {"p": [1]})
        tiny.put_lines(draft, [(1, tiny.at(n), f"o{n}", 10) for n in range(5)])
        refresh_partials(draft, sample_tags)
        publish_tags(draft, sample_tags)
        draft.publish("run", "inputs", "rules", lambda: CLOCK)
    with tiny.tiny_draft(tmp_path, tiny.DAY + timedelta(days=1)) as draft:
        tags = declared([TagFile([*sample_tags, new])])
        refresh_partials(draft, tags)
        publish_tags(draft, tags)
        assert tiny.tag_rows(draft)["p"]["pieces"] == 5
        draft.publish("run", "inputs", "rules", lambda: CLOCK)
    with open_lake(tmp_path).reader() as session:
        rows = session.rows("SELECT business_date, pieces FROM tag_values ORDER BY 1")
    assert rows == [(tiny.DAY, None), (tiny.DAY + timedelta(days=1), 5)]


def test_a_measure_that_leaves_and_returns_is_computed_for_the_days_between(
    tmp_path: Path, sample_tags: list[Tag]
) -> None:
    new = tiny.tag("pieces", from_="order_lines", measure="sum", field="quantity", window="ever")
    with_it, without = declared([TagFile([*sample_tags, new])]), sample_tags
    days = [tiny.DAY + timedelta(days=n) for n in range(3)]
    lines = [(1, f"{day} 12:00:00", f"o{day}", 10) for day in days]
    for day, line, tags in zip(days, lines, (with_it, without, with_it), strict=True):
        with tiny.tiny_draft(tmp_path / "days", day) as draft:
            tiny.put_persons(draft, {"p": [1]})
            tiny.put_lines(draft, [line])
            refresh_partials(draft, tags)
            publish_tags(draft, tags)
            found, row = partial_rows(draft), tiny.tag_rows(draft)["p"]
            draft.publish("run", "inputs", "rules", lambda: CLOCK)
    assert row["pieces"] == 3
    with tiny.tiny_draft(tmp_path / "whole", days[-1]) as draft:
        tiny.put_lines(draft, lines)
        refresh_partials(draft, with_it)
        assert partial_rows(draft) == found


def test_tags_and_features_that_ask_the_same_share_a_measure(sample_tags: list[Tag]) -> None:
    (churn,) = (model for model in conf.load("models", Model) if model.name == "churn")
    of_tags = {slot.measure.words for slot in slots_of(all_cells(sample_tags))}
    of_model = {slot.measure.words for slot in slots_of(all_cells(churn.measured))}
    assert "order_lines.order_id where refund_of IS NULL" in of_tags & of_model
    assert len(of_tags) == 8


def test_a_window_leaves_out_what_is_after_the_date(
    tmp_path: Path, sample_tags: list[Tag]
) -> None:
    with tiny.tiny_draft(tmp_path, date(2017, 6, 20)) as draft:
        tiny.put_persons(draft, {"p": [1]})
        tiny.put_lines(draft, [(1, "2017-06-21 00:00:00", "o1", 10), (1, tiny.at(20), "o2", 1)])
        refresh_partials(draft, sample_tags)
        publish_tags(draft, sample_tags)
        assert tiny.tag_rows(draft)["p"]["orders_paid_minor_365d"] == 1
