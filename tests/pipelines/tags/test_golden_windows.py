"""Every window at its borders: whole dates of the programme's zone, however long they are."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from pipelines.tags.windows import span
from schemas.windows import Unit, Window
from tests.pipelines.tags.golden import NOBODY, Case, Golden, Values
from tests.tiny import ZONE, tag

DAY = date(2017, 11, 7)
"""A Tuesday, in the second month of a quarter."""
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"
WINDOWS: dict[str, Any] = {
    "ever": "ever",
    "last_1d": {"last": "1 d"},
    "last_10d": {"last": "10 d"},
    "last_30d": {"last": "30 d"},
    "this_day": {"this": "day"},
    "this_week": {"this": "week"},
    "this_month": {"this": "month"},
    "this_quarter": {"this": "quarter"},
    "this_year": {"this": "year"},
    "previous_day": {"previous": "day"},
    "previous_week": {"previous": "week"},
    "previous_month": {"previous": "month"},
    "previous_quarter": {"previous": "quarter"},
    "previous_year": {"previous": "year"},
    "short_day": {"between": ["2017-03-26", "2017-03-26"]},
    "long_day": {"between": ["2017-10-29", "2017-10-29"]},
    "to_come": {"between": ["2017-11-06", "2017-11-20"]},
    "all_to_come": {"between": ["2017-11-08", "2017-11-20"]},
}
TAGS = [
    tag(name, from_="events", measure="count", window=window) for name, window in WINDOWS.items()
]


def row(name: str, is_in: bool, when: str, says: str = "", zone: str = ZONE) -> Case:
    """Whether the row of an instant is in the window."""
    return Case(name, says or when, int(is_in), events=[(when, "viewed")], zone=zone)


def borders(name: str, first: str | None, last: str) -> list[Case]:
    """The first and the last instant of a window, and those just outside."""
    until = [row(name, True, f"{last} 23:59:59.999999"), row(name, False, _next(last))]
    if first is None:
        return [row(name, True, "1970-01-01 00:00:00"), *until]
    before = f"{date.fromordinal(date.fromisoformat(first).toordinal() - 1)} 23:59:59.999999"
    return [row(name, True, f"{first} 00:00:00"), row(name, False, before), *until]


def _next(day: str) -> str:
    return f"{date.fromordinal(date.fromisoformat(day).toordinal() + 1)} 00:00:00"


CASES = [
    *borders("ever", None, "2017-11-07"),
    *borders("last_1d", "2017-11-07", "2017-11-07"),
    *borders("last_30d", "2017-10-09", "2017-11-07"),
    *borders("this_day", "2017-11-07", "2017-11-07"),
    *borders("this_week", "2017-11-06", "2017-11-07"),
    *borders("this_month", "2017-11-01", "2017-11-07"),
    *borders("this_quarter", "2017-10-01", "2017-11-07"),
    *borders("this_year", "2017-01-01", "2017-11-07"),
    *borders("previous_day", "2017-11-06", "2017-11-06"),
    *borders("previous_week", "2017-10-30", "2017-11-05"),
    *borders("previous_month", "2017-10-01", "2017-10-31"),
    *borders("previous_quarter", "2017-07-01", "2017-09-30"),
    *borders("previous_year", "2016-01-01", "2016-12-31"),
    *borders("to_come", "2017-11-06", "2017-11-07"),
    row("all_to_come", False, "2017-11-07 23:59:59", "not yet begun"),
    row("all_to_come", False, "2017-11-08 00:00:00", "begins tomorrow"),
    # The window ends at 2017-11-08 00:00:00; 30 days are 720 hours where no clock changes.
    row("last_30d", True, "2017-10-09 00:00:00", "30 d 0 s before the end"),
    row("last_30d", True, "2017-10-09 00:00:00.001", "29 d 23:59:59.999 before the end"),
    row("last_30d", False, "2017-10-08 23:59:59.999", "30 d 0.001 s before the end"),
    # 2017-03-26 has 23 hours in Berlin: after 01:59:59.999 comes 03:00.
    row("short_day", True, "2017-03-26 00:00:00", "first instant of 23 hours", BERLIN),
    row("short_day", True, "2017-03-26 01:59:59.999", "before the hour that is not", BERLIN),
    row("short_day", True, "2017-03-26 03:00:00", "after the hour that is not", BERLIN),
    row("short_day", True, "2017-03-26 23:59:59.999", "last instant of 23 hours", BERLIN),
    row("short_day", False, "2017-03-25 23:59:59.999", "just before the short day", BERLIN),
    row("short_day", False, "2017-03-27 00:00:00", "just after the short day", BERLIN),
    row("short_day", False, "2017-03-26 22:00:00+00:00", "24 hours after a short day's begin",
        BERLIN),
    # 2017-10-29 has 25 hours in Berlin: from 02:00 to 02:59 twice.
    row("long_day", True, "2017-10-29 00:00:00", "first instant of 25 hours", BERLIN),
    row("long_day", True, "2017-10-29 02:30:00+02:00", "the first 02:30", BERLIN),
    row("long_day", True, "2017-10-29 02:30:00+01:00", "the second 02:30", BERLIN),
    row("long_day", True, "2017-10-29 22:59:59.999+00:00", "24 h 59:59.999 after its begin",
        BERLIN),
    row("long_day", False, "2017-10-29 23:00:00+00:00", "25 hours after its begin", BERLIN),
    row("long_day", False, "2017-10-28 23:59:59.999", "just before the long day", BERLIN),
    # Ten dates, of which one has 25 hours: 241 hours.
    row("last_10d", True, "2017-10-29 00:00:00", "241 hours before the end", BERLIN),
    row("last_10d", False, "2017-10-28 23:59:59.999", "a millisecond more", BERLIN),
    # 2017-11-05 has 25 hours in New York, and ends the week before.
    row("previous_week", True, "2017-11-05 23:59:59.999", "ends with a long day", NEW_YORK),
    row("previous_week", False, "2017-11-06 00:00:00", "a long day is over", NEW_YORK),
    row("previous_week", True, "2017-11-05 01:30:00-04:00", "the first 01:30", NEW_YORK),
    row("previous_week", True, "2017-11-05 01:30:00-05:00", "the second 01:30", NEW_YORK),
    # One instant is of two dates in two zones.
    row("previous_day", False, "2017-11-06 16:00:00+00:00", "midnight in Shanghai"),
    row("previous_day", True, "2017-11-06 16:00:00+00:00", "17:00 in Berlin", BERLIN),
]
GOLDEN = Golden(TAGS, CASES, DAY)


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Values:
    return GOLDEN.in_one_release(tmp_path_factory.mktemp("windows"))


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.person)
def test_a_window_holds(values: Values, case: Case) -> None:
    assert values[case.person][case.tag] == case.value


def test_a_person_with_nothing_is_in_no_window(values: Values) -> None:
    assert {values[NOBODY][name] for name in WINDOWS} == {0}


@pytest.mark.rule("CDP-6")
def test_rows_that_come_late_give_the_same(values: Values, tmp_path: Path) -> None:
    assert GOLDEN.in_two_releases(tmp_path) == values


def test_every_window_has_its_cases() -> None:
    kinds = {
        (kind, unit) for window in WINDOWS.values() if window != "ever"
        for kind, unit in window.items() if kind in ("this", "previous")
    }
    assert kinds == {(kind, unit) for kind in ("this", "previous") for unit in get_args(Unit)}
    assert {case.tag for case in CASES} == set(WINDOWS)


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize(
    ("window", "day", "first", "last"),
    [
        ({"last": "30 d"}, "2016-03-01", "2016-02-01", "2016-03-01"),
        ({"last": "30 d"}, "2017-03-01", "2017-01-31", "2017-03-01"),
        ({"last": "9999 d"}, "2017-03-01", "1989-10-16", "2017-03-01"),
        ({"previous": "day"}, "2016-03-01", "2016-02-29", "2016-02-29"),
        ({"previous": "day"}, "2017-01-01", "2016-12-31", "2016-12-31"),
        ({"this": "week"}, "2017-01-01", "2016-12-26", "2017-01-01"),
        ({"this": "week"}, "2017-01-02", "2017-01-02", "2017-01-02"),
        ({"previous": "week"}, "2017-01-01", "2016-12-19", "2016-12-25"),
        ({"previous": "month"}, "2016-03-31", "2016-02-01", "2016-02-29"),
        ({"previous": "month"}, "2017-01-31", "2016-12-01", "2016-12-31"),
        ({"this": "quarter"}, "2017-03-31", "2017-01-01", "2017-03-31"),
        ({"this": "quarter"}, "2017-04-01", "2017-04-01", "2017-04-01"),
        ({"previous": "quarter"}, "2017-02-28", "2016-10-01", "2016-12-31"),
        ({"previous": "quarter"}, "2017-06-30", "2017-01-01", "2017-03-31"),
        ({"this": "year"}, "2016-12-31", "2016-01-01", "2016-12-31"),
        ({"previous": "year"}, "2017-01-01", "2016-01-01", "2016-12-31"),
    ],
)
def test_a_window_on_a_date_is_from_a_date_to_a_date(
    window: dict[str, Any], day: str, first: str, last: str
) -> None:
    found = span(msgspec.convert(window, Window), date.fromisoformat(day))
    assert (str(found.first), str(found.last)) == (first, last)
