"""What is asked of audiences on one date: pages, overlap, distribution, what is missing."""

from __future__ import annotations

import pytest

from lake.store import Lake
from pipelines.audiences.view import overlap
from schemas.errors import NotFoundError
from tests import tiny
from tests.pipelines.audiences.two_dates import (
    CITY,
    LEVEL,
    LEVELS,
    NOW,
    NUMBERS,
    THEN,
    high,
    made,
    view,
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return made(tmp_path_factory.mktemp("two") / "lake")


def members(day: object) -> list[str]:
    levels = next(found for one, found in LEVELS.items() if one == day)
    return [name for name in NUMBERS if (levels.get(name) or 0) >= 3]


def test_pages_give_every_member_once_in_order(lake: Lake) -> None:
    with view(lake, THEN) as one:
        found = one.members("high")
        pages, after = [], -1
        while page := one.page(found, limit=3, after=after).to_pylist():
            pages.append([row["one_id"] for row in page])
            after = page[-1]["person_no"]
        assert [len(page) for page in pages] == [3, 3, 2]
        assert sum(pages, []) == members(THEN) == one.page(found)["one_id"].to_pylist()


def test_overlap_counts_each_two(lake: Lake) -> None:
    city = high("here", query={"field": "city", "operator": "=", "value": "北京"})
    with view(lake, THEN, [high(), city]) as one:
        found = overlap({name: one.members(name) for name in ("high", "here")})
    both = sum(NUMBERS[name] % 2 for name in members(THEN))
    assert found == [
        {"audience": "high", "members": 8, "with": {"high": 8, "here": both}},
        {"audience": "here", "members": 6, "with": {"high": both, "here": 6}},
    ]


def test_a_distribution_tells_the_audience_beside_everyone(lake: Lake) -> None:
    with view(lake, THEN) as one:
        level = one.distribution(one.members("high"), "level")
        city = one.distribution(one.members("high"), "city")
    assert (level["members"], level["known"]) == (8, 8)
    bins = {row["value"]: (row["count"], row["count_all"]) for row in level["bins"]}
    assert bins == {"1": (0, 4), "3": (6, 6), "4": (1, 1), "5": (1, 1)}
    assert [row["lift"] for row in level["bins"] if row["value"] == "3"] == [1.5]
    known = sum(NUMBERS[name] % 2 for name in members(THEN))
    assert (city["known"], city["unknown"]) == (known, 8 - known)


def test_a_tag_has_the_name_it_had_on_the_date(lake: Lake) -> None:
    renamed = tiny.tag(
        "grade", formerly=["level"], from_="events", measure="count", window="ever"
    )
    graded = high(query={"field": "grade", "operator": ">=", "value": 3})
    with view(lake, THEN, [graded], [renamed, CITY]) as one:
        assert one.page(one.members("high"))["one_id"].to_pylist() == members(THEN)
        assert one.distribution(one.members("high"), "grade")["known"] == 8


def test_a_tag_that_is_not_published_of_the_date_is_named(lake: Lake) -> None:
    starred = high(query={"field": "stars", "operator": "=", "value": 1})
    above = high("above", query={"audience": "high"})
    with view(lake, THEN, [starred, above]) as one:
        assert [tag.name for tag in one.missing_tags(above)] == ["stars"]
        with pytest.raises(NotFoundError, match=r"(?s)'stars' is not published of 2017-06-30"):
            one.members("above")
        with pytest.raises(NotFoundError, match=r"(?s)no tag 'stars'.*city, level"):
            one.distribution(one.bitmaps.everyone(), "stars")
    with view(lake, NOW, [starred, above]) as one:
        assert len(one.members("above")) == len(LEVELS[NOW])


def test_an_unknown_audience_is_answered_with_those_that_there_are(lake: Lake) -> None:
    with view(lake, THEN, [high()], [LEVEL]) as one, pytest.raises(
        NotFoundError, match=r"(?s)no audience 'hihg'.*one of high.*high"
    ):
        one.members("hihg")
