from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from pipelines.tags.published.jumps import jumps, require_known_tags, require_steady
from schemas.errors import ConfigError, QualityError
from schemas.tag_bounds import Accepted, Bound, TagBounds
from tests import tiny

DAY = date(2017, 7, 1)
BOUNDS = TagBounds(known=0.1, distance=0.25, min_persons=100)
CITY = tiny.tag("city", type="text", from_="events", measure="last", field="city", window="ever")


def row(tag: str = "city", days: int | None = 1, **fields: Any) -> dict[str, Any]:
    plain = {
        "tag": tag, "business_date": DAY, "count_persons": 1_000, "count_known": 1_000,
        "share_known": 1.0, "share_known_change": 0.0, "distance": 0.0,
        "previous_date": None if days is None else DAY - timedelta(days),
    }
    return plain | fields


def jumped(one: dict[str, Any], bounds: TagBounds = BOUNDS, tags: Any = (CITY,)) -> list[str]:
    return [jump.says for jump in jumps(bounds, tags, [one])]


def test_the_bound_itself_is_no_jump_and_a_hair_more_is() -> None:
    assert jumped(row(distance=0.25)) == []
    assert len(jumped(row(distance=0.250001))) == 1
    assert jumped(row(share_known=0.9, share_known_change=-0.1)) == []
    assert len(jumped(row(share_known=0.89999, share_known_change=-0.10001))) == 1
    assert len(jumped(row(share_known_change=0.5, distance=1.0))) == 2


def test_a_tag_that_few_have_is_watched_as_one_that_all_have() -> None:
    many = {"count_persons": 100_000}
    assert jumped(row(share_known=0.009, share_known_change=-0.001, **many)) == []
    assert len(jumped(row(share_known=0.008, share_known_change=-0.002, **many))) == 1
    assert len(jumped(row(share_known=0.02, share_known_change=0.01, **many))) == 1


def test_a_tag_that_was_not_there_before_is_not_held_to_it() -> None:
    assert jumped(row(days=None, share_known_change=None, distance=None)) == []


def test_a_tag_that_is_known_of_nobody_any_more_jumps() -> None:
    gone = row(share_known=0.0, share_known_change=-0.9, count_known=0, distance=None)
    assert jumped(gone) == [
        "known of 0.0% of persons, 90.0% on 2017-06-30: 1.000 of them is over 0.100"
    ]


def test_a_move_of_few_persons_is_no_jump() -> None:
    assert jumped(row(distance=0.5, count_known=199)) == []
    assert len(jumped(row(distance=0.5, count_known=200))) == 1
    assert jumped(row(share_known_change=0.5, count_persons=199)) == []


def test_after_a_gap_of_four_days_twice_the_bound_holds() -> None:
    assert jumped(row(days=4, distance=0.5)) == []
    assert len(jumped(row(days=4, distance=0.51))) == 1
    assert jumped(row(days=16, distance=1.0)) == []


def test_a_tag_has_bounds_of_its_own() -> None:
    bounds = TagBounds(0.1, 0.25, 100, tags={"city": Bound(distance=0.5)})
    assert jumped(row(distance=0.5), bounds) == []
    assert len(jumped(row(distance=0.5, tag="gender"), bounds)) == 1
    assert len(jumped(row(share_known_change=0.2), bounds)) == 1
    assert jumped(row(share_known_change=1.0), TagBounds(0.1, 0.25, 0, {"city": Bound(1)})) == []


def test_an_accepted_jump_passes_on_its_date_alone() -> None:
    for day, count in ((DAY, 0), (DAY + timedelta(1), 1)):
        bounds = TagBounds(0.1, 0.25, 100, accepted=[Accepted("city", day, "a new form")])
        assert len(jumped(row(distance=0.9), bounds)) == count


def monthly(name: str, **fields: Any) -> Any:
    return tiny.tag(name, from_="events", measure="count", window={"this": "month"}, **fields)


def test_a_calendar_window_that_begins_anew_is_no_jump_of_it_or_what_is_made_of_it() -> None:
    made_of = tiny.tag("is_often", type="boolean", of="visits", condition={"operator": ">",
                       "value": 3})
    tags = (monthly("visits"), made_of, CITY)
    for name, count in (("visits", 0), ("is_often", 0), ("city", 1)):
        assert len(jumped(row(name, distance=0.9), tags=tags)) == count
    later = row("visits", distance=0.9) | {
        "business_date": date(2017, 7, 3), "previous_date": date(2017, 7, 2),
    }
    assert len(jumped(later, tags=tags)) == 1


def test_a_window_of_one_day_is_held_to_the_bounds_every_day() -> None:
    today = tiny.tag("views_today", from_="events", measure="count", window={"this": "day"})
    assert len(jumped(row("views_today", distance=0.9), tags=(today,))) == 1


def test_the_error_says_what_moved_and_what_to_do() -> None:
    found = jumps(BOUNDS, [CITY], [row(distance=0.4)])
    with pytest.raises(QualityError) as caught:
        require_steady(found, DAY, {"city": ", 北京 10.0% → 50.0%"})
    error = caught.value
    assert error.exit_code == 3
    assert error.got == (
        "city: 40.0% of the known changed value or range since 2017-06-30: 0.400 is over 0.250, "
        "北京 10.0% → 50.0%"
    )
    assert error.where == "tags city on 2017-07-01"
    assert "{tag: city, date: 2017-07-01, why: …}" in error.todo
    require_steady([], DAY, {})


def test_bounds_of_a_tag_that_is_not_declared_are_refused() -> None:
    with pytest.raises(ConfigError, match="there is no tag 'town'"):
        require_known_tags(TagBounds(0.1, 0.25, 0, tags={"town": Bound()}), [CITY])
    gone = TagBounds(0.1, 0.25, 0, accepted=[Accepted("town", DAY, "it was")])
    require_known_tags(gone, [CITY])
