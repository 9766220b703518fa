"""What a trained model of any kind says of persons, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models import choices, logistic, value
from models.choices import Choices
from models.logistic import Logistic
from models.samples import Matrix, Places
from models.value import Buyers

Fitted = Logistic | Choices | Buyers
REASONS = 3


@dataclass(frozen=True, slots=True)
class Predictions:
    """One entry per person; what a kind of model does not say is None."""

    probability: Matrix
    label: list[str] | None = None
    purchases: Matrix | None = None
    amount: Matrix | None = None
    by_class: Matrix | None = None


@dataclass(frozen=True, slots=True)
class Reasons:
    """The features that moved each score most: places of features, and by how much."""

    places: Places
    contributions: Matrix


def predict(fitted: Fitted, x: Matrix) -> Predictions:
    """What the model says of rows whose columns are ``fitted.names``."""
    if isinstance(fitted, Logistic):
        return Predictions(logistic.probability(fitted, x))
    if isinstance(fitted, Choices):
        by_class = choices.probabilities(fitted, x)
        top = by_class.argmax(axis=1)
        labels = [fitted.classes[place] for place in top]
        return Predictions(by_class[np.arange(len(x)), top], labels, by_class=by_class)
    return _of_buyers(fitted, x)


def explain(fitted: Fitted, x: Matrix, said: Predictions) -> Reasons:
    """The strongest contributions to each score, up to ``REASONS``, beside the average person.

    In log-odds; for the value of a person in minor units of the expected amount.
    """
    if isinstance(fitted, Logistic):
        moved = logistic.contributions(fitted, x)
    elif isinstance(fitted, Choices):
        assert said.by_class is not None
        moved = choices.contributions(fitted, x, said.by_class.argmax(axis=1))
    else:
        moved = _contributions_of_buyers(fitted, x, said)
    # Rounded first, so that no last bit decides between two equals.
    moved = np.round(moved, 4)
    places = np.argsort(-np.abs(moved), axis=1, kind="stable")[:, :REASONS]
    return Reasons(places, np.take_along_axis(moved, places, axis=1))


def weights_of(fitted: Fitted) -> dict[str, float]:
    """The numbers a reader asks for: weights by feature, or parameters by name."""
    if isinstance(fitted, Logistic):
        return dict(zip(fitted.names, fitted.weights, strict=True))
    if isinstance(fitted, Choices):
        return {
            f"{name} for {label}": weight
            for label, weights in zip(fitted.classes, fitted.weights, strict=True)
            for name, weight in zip(fitted.names, weights, strict=True)
        }
    buying, spending = fitted.buying, fitted.spending
    return {
        "r": buying.r, "alpha": buying.alpha, "a": buying.a, "b": buying.b,
        "p": spending.p, "q": spending.q, "v": spending.v,
        "season": fitted.scale_purchases,
    }


def _of_buyers(fitted: Buyers, x: Matrix) -> Predictions:
    repeat, last, total = value.history(x)
    known = (fitted.buying, float(fitted.horizon_days), repeat, last, total)
    purchases = fitted.scale_purchases * value.expected_purchases(*known)
    count = repeat + 1
    payment = value.expected_payment(fitted.spending, count, np.nan_to_num(x[:, 3]) / count)
    # The season moves the odds of none as it moves the number: as if time ran faster or slower.
    none = (1 - value.chance_to_buy(*known)) ** fitted.scale_purchases
    return Predictions(
        np.round(1 - none, logistic.PROBABILITY_DIGITS),
        purchases=np.round(purchases, 4),
        amount=np.round(purchases * payment, 2),
    )


def _contributions_of_buyers(fitted: Buyers, x: Matrix, said: Predictions) -> Matrix:
    assert said.amount is not None
    moved = np.empty_like(x)
    for place, usual in enumerate(fitted.typical):
        other = x.copy()
        other[:, place] = usual
        told = _of_buyers(fitted, other).amount
        assert told is not None
        moved[:, place] = said.amount - told
    return moved
