from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.tags.published.coded import Coded, coded
from pipelines.tags.published.coverage import LISTED, TENTHS, changed, coverage_row, distance

DAY, BEFORE = date(2017, 6, 30), date(2017, 6, 29)
TYPES = {
    "boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "text": pa.string(),
    "date": pa.date32(), "texts": pa.list_(pa.string()),
}


def column(kind: Any, values: list[Any]) -> Coded:
    return coded(kind, pa.array(values, TYPES[kind]), np.arange(len(values)), len(values))


def row(kind: Any, values: list[Any], day: date = DAY) -> dict[str, Any]:
    return coverage_row("t", column(kind, values), len(values), day)


def moved(kind: Any, then: list[Any], now: list[Any]) -> dict[str, Any]:
    return changed(row(kind, now), column(kind, now), row(kind, then, BEFORE))


def test_a_row_counts_the_known_and_their_values() -> None:
    found = row("text", ["北京", None, "上海", "北京"])
    assert found == {
        "business_date": DAY, "tag": "t", "type": "text", "count_persons": 4, "count_known": 3,
        "share_known": 0.75, "count_values": 2, "lowest": "上海", "highest": "北京",
        "shape": "values", "count_other": 0,
        "bins": [{"value": "北京", "count": 2}, {"value": "上海", "count": 1}],
    }


def test_numbers_of_many_values_are_told_in_tenths() -> None:
    found = row("integer", [None, *range(1, 1_001)])
    assert found["shape"] == "ranges"
    assert [one["value"] for one in found["bins"]] == [str(n * 100) for n in range(1, 11)]
    assert {one["count"] for one in found["bins"]} == {100}


def test_texts_of_many_values_are_told_by_the_most_frequent() -> None:
    values = [f"v{n:02}" for n in range(LISTED + 5) for _ in range(n + 1)]
    found = row("text", values)
    assert len(found["bins"]) == LISTED
    assert found["bins"][0] == {"value": f"v{LISTED + 4:02}", "count": LISTED + 5}
    assert found["count_other"] == sum(range(1, 6))


def test_nothing_known_is_a_row_too() -> None:
    for kind in TYPES:
        found = row(kind, [None, None])
        assert (found["count_known"], found["share_known"], found["bins"]) == (0, 0, [])
        assert (found["lowest"], found["highest"]) == (None, None)
    assert row("integer", [])["share_known"] == 0


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("boolean", [True, False, None]), ("integer", [1, 2, 2, None]), ("text", ["a", "b"]),
        ("integer", list(range(100))), ("number", [n / 3 for n in range(100)]),
        ("date", [date(2017, 1, 1 + n % 28) for n in range(56)]), ("texts", [["a"], ["a", "b"]]),
    ],
)
def test_a_day_on_which_nothing_moves_is_at_distance_0(kind: str, values: list[Any]) -> None:
    found = moved(kind, values, values)
    assert (found["distance"], found["share_known_change"]) == (0, 0)
    assert found["previous_date"] == BEFORE


def test_the_distance_is_the_share_that_must_have_changed() -> None:
    assert moved("text", ["a"] * 8 + ["b"] * 2, ["a"] * 5 + ["b"] * 5)["distance"] == 0.3
    assert moved("boolean", [True] * 4, [False] * 4)["distance"] == 1
    assert moved("text", ["a"] * 10, ["a"] * 9 + ["new"])["distance"] == 0.1


def test_numbers_move_from_tenth_to_tenth_of_the_day_before() -> None:
    before = list(range(1_000))
    assert moved("integer", before, [n + 100 for n in before])["distance"] == pytest.approx(0.1)
    assert moved("integer", before, [n + 5_000 for n in before])["distance"] == 1
    assert moved("number", [n / 7 for n in before], [n / 7 for n in before[::-1]])["distance"] == 0


def test_what_was_few_values_and_is_many_is_compared_by_the_few() -> None:
    assert moved("integer", [1, 2] * 50, list(range(100)))["distance"] == pytest.approx(0.98)


def test_no_distance_is_known_from_or_to_nothing() -> None:
    for then, now in (([None, None], [1, 2]), ([1, 2], [None, None])):
        found = moved("integer", then, now)
        assert found["distance"] is None
        assert abs(found["share_known_change"]) == 1


def test_a_tag_of_another_type_has_another_spread() -> None:
    now = column("text", ["1"])
    found = changed(row("text", ["1"]), now, row("integer", [1], BEFORE))
    assert found.get("distance") is None


SPREADS = st.lists(st.integers(0, 50), min_size=3, max_size=3)


@given(SPREADS, SPREADS, SPREADS)
def test_the_distance_is_a_distance(a: list[int], b: list[int], c: list[int]) -> None:
    ab, ba, bc, ac = distance(a, b), distance(b, a), distance(b, c), distance(a, c)
    assert (ab is None) == (not sum(a) or not sum(b))
    if ab is not None and bc is not None and ac is not None:
        assert ab == ba
        assert 0 <= ac <= ab + bc + 2e-6


@given(st.lists(st.none() | st.integers(-30, 30), max_size=200))
def test_every_known_person_is_in_one_bin_or_the_rest(values: list[int | None]) -> None:
    found = row("integer", values)
    counted = sum(one["count"] for one in found["bins"]) + found["count_other"]
    assert counted == found["count_known"]
    assert len(found["bins"]) <= max(LISTED, TENTHS)
