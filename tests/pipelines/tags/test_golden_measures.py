"""Every measure at its borders: what counts, what does not, what nothing gives, who wins a tie."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, get_args

import duckdb
import pytest

from pipelines.tags.cells import cells_of, value
from schemas.measured import Operation
from tests.pipelines.tags.golden import NOBODY, Case, Golden, Values
from tests.tiny import DAY, at, tag

WEEK = {"last": "7 d"}
EVENTS: dict[str, Any] = {"from_": "events", "types": ["viewed"], "window": WEEK}
LINES: dict[str, Any] = {"from_": "order_lines", "window": WEEK}
BOUGHT = {**LINES, "where": {"field": "refund_of", "operator": "null"}}
TAGS = [
    tag("views", measure="count", **EVENTS),
    tag("has_viewed", measure="any", type="boolean", **EVENTS),
    tag("points", measure="sum", field="n", **EVENTS, **{"as": "integer"}),
    tag("price", measure="sum", field="n", type="number", **EVENTS, **{"as": "decimal"}),
    tag("paid", measure="sum", field="paid_minor", **LINES),
    tag("mean", measure="avg", field="n", type="number", **EVENTS, **{"as": "integer"}),
    tag("mean_paid", measure="avg", field="paid_minor", type="number", **LINES),
    tag("least", measure="min", field="n", **EVENTS, **{"as": "integer"}),
    tag("cheapest", measure="min", field="paid_minor", **LINES),
    tag("most", measure="max", field="n", type="number", **EVENTS, **{"as": "decimal"}),
    tag("latest", measure="max", field="n", type="date", **EVENTS, **{"as": "date"}),
    tag("first_said", measure="first", field="n", type="text", **EVENTS),
    tag("first_number", measure="first", field="n", **EVENTS, **{"as": "integer"}),
    tag("last_said", measure="last", field="n", type="text", **EVENTS),
    tag("last_number", measure="last", field="n", **EVENTS, **{"as": "integer"}),
    tag("orders", measure="distinct_count", field="order_id", **BOUGHT),
    tag("different", measure="distinct_count", field="n", **EVENTS),
    tag("favourite", measure="most_frequent", field="category", type="text", **BOUGHT),
    tag("top_two", measure="top_n", n=2, field="n", type="texts", **EVENTS),
    tag("days", measure="days_active", **EVENTS),
    tag("since", measure="days_since", **(EVENTS | {"window": "ever"})),
    tag("since_bought", measure="days_since", **(BOUGHT | {"window": "ever"})),
    tag("since_first", measure="days_since_first", **(EVENTS | {"window": "ever"})),
    tag("run", measure="streak", **(EVENTS | {"window": "ever"})),
    tag("run_3d", measure="streak", **(EVENTS | {"window": {"last": "3 d"}})),
    tag("age", measure="years_since", field="n", **(EVENTS | {"window": "ever", "as": "date"})),
]
ON_NOTHING = {
    "views": 0, "has_viewed": False, "points": 0, "price": 0.0, "paid": 0, "mean": None,
    "mean_paid": None, "least": None, "cheapest": None, "most": None, "latest": None,
    "first_said": None, "first_number": None, "last_said": None, "last_number": None, "orders": 0,
    "different": 0, "favourite": None, "top_two": None, "days": 0, "since": None,
    "since_bought": None, "since_first": None, "run": 0, "run_3d": 0, "age": None,
}


def viewed(days_ago: int, n: str | None = None, clock: str = "12:00:00") -> tuple[Any, ...]:
    return (at(days_ago, clock), "viewed", {} if n is None else {"n": n})


def events(name: str, says: str, value: Any, *rows: tuple[Any, ...]) -> Case:
    return Case(name, says, value, events=rows)


def lines(name: str, says: str, value: Any, *rows: tuple[Any, ...]) -> Case:
    return Case(name, says, value, lines=rows)


def refund(days_ago: int, paid: int, of: str = "o1") -> tuple[Any, ...]:
    return (at(days_ago), f"R-{of}", paid, "P-TEA", of)


LAST_INSTANT, FIRST_INSTANT = "23:59:59.999", "00:00:00"
SHARED = (at(1), "shared", {"n": "9"})
CASES = [
    events("views", "other types do not count", 2, viewed(0), viewed(6), SHARED),
    events("views", "two rows of one instant are two", 2, viewed(1), viewed(1)),
    events("views", "first instant in, last before out", 1,
           viewed(6, clock=FIRST_INSTANT), viewed(7, clock=LAST_INSTANT)),
    events("views", "what is after the date waits", 1,
           viewed(0, clock=LAST_INSTANT), viewed(-1, clock=FIRST_INSTANT)),
    events("has_viewed", "one row is enough", True, viewed(6)),
    events("has_viewed", "another type is not enough", False, SHARED),
    events("has_viewed", "a row before the window is not", False, viewed(7, clock=LAST_INSTANT)),
    events("points", "below 0 takes off", -1, viewed(0, "1"), viewed(1, "-2")),
    events("points", "what cannot be read does not count", 3, viewed(0, "many"), viewed(1, "3")),
    events("points", "only what cannot be read is 0", 0, viewed(0, "many")),
    events("points", "empty and absent do not count", 3, viewed(0, ""), viewed(0), viewed(1, "3")),
    events("points", "twelve digits can be read and thirteen not", 1_999_999_999_998,
           viewed(0, "999999999999"), viewed(1, "999999999999"), viewed(2, "1000000000000")),
    *[events("points", f"{text!r} is no integer", 1, viewed(0, text), viewed(1, "1"))
      for text in ("1.5", "1e3", "0x10", "1_000", " 7", "7\n", "９", "1,000", "true")],
    events("points", "a sign may stand before it", -5, viewed(0, "+2"), viewed(1, "-7")),
    events("price", "decimals add exactly", 0.3, viewed(0, "0.10"), viewed(1, "0.20")),
    events("price", "what cannot be read does not count", 2.5, viewed(0, "2.5"), viewed(0, "x")),
    *[events("price", f"{text!r} is no decimal", 1.0, viewed(0, text), viewed(1, "1"))
      for text in ("1e3", ".5", "1.", "0.1234567", "inf", "nan", "1,5")],
    lines("paid", "a refund counts on its own date", 7_500,
          (at(5), "o1", 10_000), refund(1, -2_500)),
    lines("paid", "a refund of an older order is less than nothing", -2_500,
          (at(7), "o1", 10_000), refund(1, -2_500)),
    lines("paid", "a refund after the window leaves it whole", 10_000,
          (at(0), "o1", 10_000), refund(-1, -10_000)),
    events("mean", "of two and three", 2.5, viewed(0, "2"), viewed(6, "3")),
    events("mean", "what cannot be read does not divide", 2.0, viewed(0, "2"), viewed(1, "many")),
    events("mean", "only what cannot be read is unknown", None, viewed(0, "many"), viewed(0)),
    events("mean", "of nothing but 0 is 0", 0.0, viewed(0, "0"), viewed(1, "0")),
    lines("mean_paid", "a refund is a line", 100.0, (at(2), "o1", 300), refund(1, -100)),
    events("least", "below 0 is less", -2, viewed(0, "1"), viewed(1, "-2"), viewed(2, "-2")),
    events("least", "by number, not by letter", 9, viewed(0, "10"), viewed(1, "9")),
    events("least", "the least has left the window", 5, viewed(7, "1"), viewed(6, "5")),
    events("least", "what cannot be read is not the least", 5, viewed(1, ""), viewed(2, "5")),
    lines("cheapest", "a refund is the cheapest line", -1, (at(2), "o1", 300), refund(1, -1)),
    events("most", "of decimals", 2.5, viewed(0, "2.5"), viewed(1, "2.25"), viewed(2, "x")),
    events("most", "of what is below 0", -1.5, viewed(0, "-1.5"), viewed(1, "-2")),
    events("latest", "a date that is to come counts", date(2018, 1, 1),
           viewed(0, "2017-06-30"), viewed(1, "2018-01-01"), viewed(2, "soon")),
    *[events("latest", f"{text!r} is no date", None, viewed(0, text))
      for text in ("2017-02-29", "2017-7-1", "infinity", "epoch", "2017-01-01 (BC)",
                   "10000-01-01", "0000-01-01", "2017-06-30 12:00:00")],
    events("first_said", "the earliest", "b", viewed(1, "a"), viewed(2, "b")),
    events("first_said", "of one instant the lesser", "a", viewed(2, "b"), viewed(2, "a")),
    events("first_said", "in the window", "b", viewed(7, "a", LAST_INSTANT), viewed(6, "b")),
    events("first_said", "empty says nothing", "b", viewed(3, ""), viewed(4), viewed(2, "b")),
    events("first_number", "what can be read", 3, viewed(4, "many"), viewed(2, "3")),
    events("last_said", "the latest", "a", viewed(1, "a"), viewed(2, "b")),
    events("last_said", "of one instant the greater", "b", viewed(2, "b"), viewed(2, "a")),
    events("last_said", "empty says nothing", "b", viewed(0, ""), viewed(2, "b")),
    events("last_said", "a millisecond decides", "a",
           viewed(1, "b", "10:00:00.001"), viewed(1, "a", "10:00:00.002")),
    events("last_said", "what is after the date waits", "a",
           viewed(0, "a", LAST_INSTANT), viewed(-1, "b", FIRST_INSTANT)),
    events("last_number", "what can be read", 3, viewed(0, "many"), viewed(2, "3")),
    lines("orders", "one order on two dates is one", 1, (at(0), "o1", 10), (at(3), "o1", 10)),
    lines("orders", "a refund is no order", 1, (at(2), "o1", 300), refund(1, -300)),
    lines("orders", "an order half in the window counts", 1, (at(6), "o1", 9), (at(7), "o1", 9)),
    events("different", "empty is no value, and case tells apart", 2,
           viewed(0, "a"), viewed(1, "A"), viewed(2, "a"), viewed(3, ""), viewed(4)),
    lines("favourite", "the commonest", "TEA",
          (at(0), "o1", 1, "P-COFFEE"), (at(1), "o2", 1), (at(2), "o3", 1)),
    lines("favourite", "of a tie the lesser", "COFFEE",
          (at(0), "o1", 1), (at(1), "o2", 1, "P-COFFEE")),
    lines("favourite", "what has left the window does not help", "COFFEE",
          (at(7), "o1", 1), (at(7), "o2", 1), (at(6), "o3", 1), (at(6), "o4", 1, "P-COFFEE")),
    lines("favourite", "a product that nobody knows has no category", None,
          (at(0), "o1", 1, "P-STRANGE")),
    lines("favourite", "what was given back", "COFFEE",
          (at(3), "o1", 1), refund(1, -1), (at(1), "o2", 1, "P-COFFEE")),
    events("top_two", "the commonest first", ["b", "a"],
           viewed(0, "a"), viewed(1, "b"), viewed(2, "b"), viewed(3, "")),
    events("top_two", "a tie for the last place goes to the lesser", ["c", "a"],
           viewed(0, "b"), viewed(1, "c"), viewed(2, "c"), viewed(3, "a")),
    events("top_two", "fewer than two", ["a"], viewed(0, "a"), viewed(6, "a")),
    events("top_two", "counted in the window", ["b", "a"],
           viewed(7, "a"), viewed(7, "a"), viewed(6, "a"), viewed(5, "b"), viewed(4, "b")),
    events("days", "two rows of a date are one day", 1, viewed(1), viewed(1, clock=LAST_INSTANT)),
    events("days", "a millisecond over midnight is two days", 2,
           viewed(1, clock=LAST_INSTANT), viewed(0, clock=FIRST_INSTANT)),
    events("days", "all seven and no more", 7, *[viewed(ago) for ago in range(-1, 9)]),
    events("since", "today is 0", 0, viewed(0, clock=FIRST_INSTANT), viewed(9)),
    events("since", "a millisecond before is 1", 1, viewed(1, clock=LAST_INSTANT)),
    events("since", "what is after the date waits", 3, viewed(3), viewed(-1, clock=FIRST_INSTANT)),
    events("since", "only what is after the date is unknown", None, viewed(-1)),
    lines("since_bought", "a refund is no purchase", 5, (at(5), "o1", 300), refund(1, -300)),
    events("since_first", "the earliest counts", 9, viewed(0), viewed(9, clock=LAST_INSTANT)),
    events("since_first", "only today is 0", 0, viewed(0), viewed(0, clock=LAST_INSTANT)),
    events("run", "today and yesterday", 2, viewed(0), viewed(1), viewed(3)),
    events("run", "two rows of a date are one day", 1, viewed(0), viewed(0)),
    events("run", "not today is 0", 0, viewed(1), viewed(2)),
    events("run", "tomorrow does not count yet", 1, viewed(-1), viewed(0)),
    events("run", "has no end before it began", 12, *[viewed(ago) for ago in range(12)]),
    events("run_3d", "is no longer than its window", 3, *[viewed(ago) for ago in range(4)]),
    events("run_3d", "a gap inside its window", 1, viewed(0), viewed(2)),
    events("age", "on the birthday", 18, viewed(40, "1999-06-30")),
    events("age", "on the day before", 17, viewed(40, "1999-07-01")),
    events("age", "born today", 0, viewed(0, "2017-06-30")),
    events("age", "born tomorrow is unknown", None, viewed(0, "2017-07-01")),
    events("age", "the last that can be read", 18, viewed(9, "1999-06-30"), viewed(1, "in May")),
    events("age", "the last that was said", 17, viewed(9, "1999-06-30"), viewed(1, "1999-07-01")),
]
GOLDEN = Golden(TAGS, CASES)


@pytest.fixture(scope="module")
def values(tmp_path_factory: pytest.TempPathFactory) -> Values:
    return GOLDEN.in_one_release(tmp_path_factory.mktemp("measures"))


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.person)
def test_a_measure_gives(values: Values, case: Case) -> None:
    assert values[case.person][case.tag] == case.value


@pytest.mark.rule("CDP-6")
def test_a_person_with_nothing_has_zeros_and_unknowns(values: Values) -> None:
    found = {name: values[NOBODY][name] for name in ON_NOTHING}
    assert found == ON_NOTHING


@pytest.mark.rule("CDP-6")
def test_rows_that_come_late_give_the_same(values: Values, tmp_path: Path) -> None:
    assert GOLDEN.in_two_releases(tmp_path) == values


def test_every_measure_and_every_tag_has_its_cases() -> None:
    assert {one.measure for one in TAGS} == set(get_args(Operation))
    assert {case.tag for case in CASES} == {one.name for one in TAGS} == set(ON_NOTHING)
    assert GOLDEN.day == DAY


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize(
    ("born", "day", "years"),
    [
        ("1996-02-29", "2016-02-28", 19),
        ("1996-02-29", "2016-02-29", 20),
        ("1996-02-29", "2017-02-28", 20),
        ("1996-02-29", "2017-03-01", 21),
        ("1996-02-29", "1996-02-29", 0),
        ("1996-02-28", "2017-02-28", 21),
        ("1999-12-31", "2017-12-30", 17),
        ("1999-12-31", "2017-12-31", 18),
        ("1999-01-01", "2017-12-31", 18),
    ],
)
def test_a_birthday_of_29_february_is_reached_on_1_march(born: str, day: str, years: int) -> None:
    (age,) = [one for one in TAGS if one.name == "age"]
    (cell,) = cells_of(age)
    formula = value(age, date.fromisoformat(day))
    said = f"SELECT {{'value': '{born}'}} AS \"{cell.name}\""
    assert duckdb.sql(f"SELECT {formula} FROM ({said})").fetchall() == [(years,)]
