from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from models import choices
from models.samples import Sample

CLASSES = ["BEEF", "CHEESE", "SOUP", "TEA"]


def drawn(count: int, seed: int, classes: int = 3) -> Sample:
    random = np.random.default_rng(seed)
    x = random.poisson(2.0, (count, classes)).astype(float)
    odds = np.exp(0.9 * np.log1p(x))
    chance = odds / odds.sum(axis=1, keepdims=True)
    y = (random.random(count)[:, None] > chance.cumsum(axis=1)).sum(axis=1).astype(float)
    names = CLASSES[:classes]
    return Sample(date(2017, 6, 30), [str(n) for n in range(count)], names, x, y)


@pytest.fixture(scope="module")
def fitted() -> choices.Choices:
    return choices.fit(drawn(3000, 1), drawn(2000, 2), ["log"] * 3, CLASSES)


def test_probabilities_are_those_that_come_true(fitted: choices.Choices) -> None:
    test = drawn(6000, 3)
    told = choices.probabilities(fitted, test.x)
    assert told.sum(axis=1) == pytest.approx(1, abs=1e-5)
    for place in range(3):
        assert told[:, place].mean() == pytest.approx((test.y == place).mean(), abs=0.03)
    top = told.argmax(axis=1) == test.y
    assert told.max(axis=1).mean() == pytest.approx(top.mean(), abs=0.03)


def test_a_class_that_was_never_seen_is_never_foretold(fitted: choices.Choices) -> None:
    assert fitted.classes == ["BEEF", "CHEESE", "SOUP"]


def test_ones_own_habit_is_what_speaks_for_a_class(fitted: choices.Choices) -> None:
    x = np.array([[9.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    top = choices.probabilities(fitted, x).argmax(axis=1)
    assert top.tolist() == [0, 2]
    moved = choices.contributions(fitted, x, top)
    assert moved.argmax(axis=1).tolist() == [0, 2]


def test_two_classes_are_a_choice_too() -> None:
    fitted = choices.fit(drawn(2000, 1, 2), drawn(1000, 2, 2), ["log"] * 2, CLASSES)
    told = choices.probabilities(fitted, np.array([[9.0, 0.0], [0.0, 9.0]]))
    assert told[0, 0] > 0.8
    assert told[1, 1] > 0.8
