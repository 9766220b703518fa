"""The golden cases of the vocabulary, told by a stream: the same borders, the same values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest

from domain.dates import business_date
from pipelines.tags import declared
from pipelines.tags.streaming import Event, State, book, chosen, step, values
from pipelines.tags.streaming.book import Book
from pipelines.tags.streaming.subset import FREE, MODEL, POPULATION
from schemas.tag_definitions import TagFile
from tests.pipelines.tags import test_golden_measures, test_golden_turns, test_golden_windows
from tests.pipelines.tags.golden import Case, Golden
from tests.pipelines.tags.streaming.batch import EPOCH
from tests.tiny import ZONE, local

GOLDEN = {
    "measures": test_golden_measures.GOLDEN, "windows": test_golden_windows.GOLDEN,
    "turns": test_golden_turns.GOLDEN,
}
PRODUCTS: dict[str, dict[str, str | None]] = {
    f"P-{name}": {"department": None, "category": name} for name in ("TEA", "COFFEE")
}
REFUSED = {
    "turns": {
        "fifth": POPULATION, "fifth_back": POPULATION, "third": POPULATION, "alone": POPULATION,
        "rows_so_far": FREE, "rows_or": FREE, "risk": MODEL, "next": MODEL, "worth": MODEL,
        "visits": MODEL, "is_risky": f"it speaks of risk: {MODEL}",
        "risk_band": f"it speaks of risk: {MODEL}",
    },
}
BOOKS: dict[str, Book] = {}


def ready(name: str) -> Book:
    if name not in BOOKS:
        tags = declared([TagFile(list(GOLDEN[name].tags))])
        BOOKS[name] = book(chosen(tags, PRODUCTS).tags, ZONE, PRODUCTS)
    return BOOKS[name]


def rows(case: Case) -> list[Event]:
    """A case's rows as events of one bundle."""

    def row(number: int, when: str, *rest: Any) -> Event:
        moment = local(when, case.zone)
        day = business_date(moment, case.zone).toordinal()
        microseconds = (moment - EPOCH) // timedelta(microseconds=1)
        return Event("1", microseconds, f"e{number}", "tests", day, day, *rest)

    found = []
    for when, kind, *more in case.events:
        found.append(row(len(found), when, kind, more[0] if more else {}))
    for when, order, paid, *more in case.lines:
        product, refund_of = [*more, *(["P-TEA", None][len(more):])]
        line = {"order_id": order, "paid_minor": paid, "product_id": product,
                "refund_of": refund_of}
        found.append(row(len(found), when, None, {}, line))
    return found


def told(name: str, golden: Golden, events: Iterable[Event]) -> dict[str, Any]:
    state = State(golden.day.toordinal())
    for event in events:
        step(state, event, ready(name))
    return values(state, ready(name))


def cases() -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name}: {case.person}")
        for name, golden in GOLDEN.items()
        for case in golden.cases
        if case.tag not in REFUSED.get(name, {})
    ]


@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize("arrange", [list, reversed], ids=["in order", "the other way round"])
@pytest.mark.parametrize(("name", "case"), cases())
def test_a_stream_tells(
    name: str, case: Case, arrange: Callable[[list[Event]], Iterable[Event]]
) -> None:
    assert told(name, GOLDEN[name], arrange(rows(case)))[case.tag] == case.value


@pytest.mark.rule("CDP-6")
def test_a_bundle_without_rows_has_zeros_and_unknowns() -> None:
    found = told("measures", GOLDEN["measures"], [])
    assert found == test_golden_measures.ON_NOTHING


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_refused_says_why(name: str) -> None:
    tags = declared([TagFile(list(GOLDEN[name].tags))])
    assert chosen(tags, PRODUCTS).refused == REFUSED.get(name, {})


def test_without_the_catalogue_nothing_of_a_product_is_told() -> None:
    tags = declared([TagFile(list(GOLDEN["measures"].tags))])
    assert chosen(tags).refused == {
        "favourite": "the category of a product stands in the catalogue, which may change the past"
    }
