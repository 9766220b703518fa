"""What is known of an order at the end of a date is what its lines until then say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec
import pytest

from lake.draft import Draft
from models import dataset, outcomes, training
from models.leaks import leaking, shifted
from models.moments import Moments
from pipelines.tags import refresh_partials
from schemas.model_definitions import Choice, Model
from tests import tiny
from tests.models.conftest import days_before

CHOICE = Choice("category", ["COFFEE", "TEA"], [30])
TEA_FIRST = [(1, tiny.at(35), "o1", 10, "P-TEA")]
COFFEE_LATER = [(1, tiny.at(29), "o1", 100, "P-COFFEE")]
DAY = days_before(30)


@pytest.fixture(params=[True, False], ids=["goes on", "ends"])
def split_order(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Draft]:
    """An order of tea that goes on six days later with more coffee, or does not."""
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_products(draft)
        tiny.put_persons(draft, {"p": [1]})
        tiny.put_lines(draft, [*TEA_FIRST, *(COFFEE_LATER if request.param else [])])
        outcomes.keep_lines(draft, CHOICE, days_before(90), tiny.DAY, "lines")
        yield draft


def known(draft: Draft, day: date) -> dict[str, int]:
    (row,) = draft.session.table(outcomes.habits("lines", CHOICE, day)).to_pylist()
    return {name: count for name, count in row.items() if name != "one_id"}


def test_a_habit_does_not_know_the_later_lines_of_an_order(split_order: Draft) -> None:
    assert known(split_order, DAY) == {
        "main_30d COFFEE": 0, "main_30d TEA": 1, "orders_30d COFFEE": 0, "orders_30d TEA": 1,
    }


def test_a_habit_knows_the_order_whole_once_its_lines_have_come(tmp_path: Path) -> None:
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_products(draft)
        tiny.put_persons(draft, {"p": [1]})
        tiny.put_lines(draft, [*TEA_FIRST, *COFFEE_LATER])
        outcomes.keep_lines(draft, CHOICE, days_before(90), tiny.DAY, "lines")
        assert known(draft, days_before(29)) == {
            "main_30d COFFEE": 1, "main_30d TEA": 0, "orders_30d COFFEE": 1, "orders_30d TEA": 1,
        }
        rows = draft.session.rows(outcomes.next_class("lines", days_before(36), 3))
        assert rows == []
        assert draft.session.rows(outcomes.next_class("lines", DAY, 3)) == [("p", "COFFEE")]


@pytest.fixture
def few(tmp_path: Path, models: dict[str, Model]) -> Iterator[tuple[Draft, Moments, Model]]:
    model = msgspec.structs.replace(models["next_category"], choice=CHOICE)
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_products(draft)
        tiny.put_persons(draft, {"p": [1], "q": [2]})
        lines = [*TEA_FIRST, *COFFEE_LATER, (2, tiny.at(40), "o2", 5), (2, tiny.at(3), "o3", 5)]
        tiny.put_lines(draft, lines)
        refresh_partials(draft, model.measured)
        with dataset.person_partials(draft, model.measured) as relation:
            moments = Moments(draft, relation, [model])
            moments.keep_now()
            yield draft, moments, model
            moments.drop()


def test_the_habits_of_an_order_that_goes_on_do_not_shift(
    few: tuple[Draft, Moments, Model],
) -> None:
    assert shifted(few[1], DAY) == []


def test_a_habit_that_knows_the_future_is_found(
    few: tuple[Draft, Moments, Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = outcomes.habits
    monkeypatch.setattr(
        outcomes, "habits", lambda lines, choice, day: honest(lines, choice, tiny.DAY)
    )
    found = leaking(few[1], few[2], shifted(few[1], DAY))
    assert "main_30d COFFEE" in found
    assert "orders_30d COFFEE" in found


@pytest.mark.parametrize("name", ["churn", "next_category"])
def test_only_the_persons_of_a_sample_are_fetched_with_their_outcome(
    bought: Draft, models: dict[str, Model], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    few = msgspec.structs.replace(models[name], sample_persons=70)
    fetched, fetch = [], type(bought.session).rows
    with dataset.person_partials(bought, few.measured) as relation:
        moments = Moments(bought, relation, [few])
        moments.keep_now()
        monkeypatch.setattr(
            type(bought.session), "rows",
            lambda self, sql: fetched.append(len(fetch(self, sql))) or fetch(self, sql),
        )
        parts = training.split(moments, few)
        monkeypatch.undo()
        moments.drop()
    assert 0 < max(fetched) <= 110
    assert len(parts.test.y) > 10
