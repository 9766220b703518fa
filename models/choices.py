"""A choice among classes: a multinomial regression with calibrated probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

from models.logistic import (
    PROBABILITY_DIGITS,
    regression,
    rounded,
    spread,
    standardised,
    transformed,
)
from models.samples import Matrix, Places, Sample

PENALTY = 0.02
"""Inverse strength: weights per class are many, and each class is seen seldom."""
SHARPNESS_DIGITS = 6


class Choices(msgspec.Struct, frozen=True, tag="choices"):
    """What turns features into a probability per class; ``weights`` has a row per class."""

    names: list[str]
    transforms: list[str]
    mean: list[float]
    scale: list[float]
    classes: list[str]
    weights: list[list[float]]
    intercepts: list[float]
    sharpness: float
    shifts: list[float]


def fit(
    train: Sample, calibration: Sample, transforms: Sequence[str], classes: Sequence[str]
) -> Choices:
    """Weights from ``train``; sharpness and a shift per class that calibrate, from the other.

    Bias-corrected temperature scaling (Alexandari, Kundaje, Shrikumar 2020). ``y`` are places in
    ``classes``; a class that ``train`` never saw is never foretold.
    """
    mean, scale = spread(transformed(train.x, transforms))
    found = regression(standardised(train.x, transforms, mean, scale), train.y, PENALTY)
    weights, intercepts = found.coef_, found.intercept_
    if len(weights) == 1:
        weights = np.vstack([-weights / 2, weights / 2])
        intercepts = np.array([-intercepts[0] / 2, intercepts[0] / 2])
    raw = Choices(
        train.names, list(transforms), mean, scale, [classes[int(n)] for n in found.classes_],
        [rounded(row) for row in weights], rounded(intercepts), 1.0, [0.0] * len(weights),
    )
    places = {int(n): place for place, n in enumerate(found.classes_)}
    seen = np.array([int(n) in places for n in calibration.y], dtype=bool)
    told = np.array([places[int(n)] for n in calibration.y[seen]])
    sharpness, *shifts = _calibrated(_log_odds(raw, calibration.x[seen]), told)
    return msgspec.structs.replace(raw, sharpness=sharpness, shifts=shifts)


def probabilities(fitted: Choices, x: Matrix) -> Matrix:
    """Calibrated probabilities: a row per person, a column per class of ``fitted.classes``."""
    logits = fitted.sharpness * _log_odds(fitted, x) + np.array(fitted.shifts)
    found: Matrix = np.round(softmax(logits, axis=1), PROBABILITY_DIGITS)
    return found


def contributions(fitted: Choices, x: Matrix, chosen: Places) -> Matrix:
    """By how much each feature speaks for the chosen class, beside the mean of all classes.

    ``chosen`` are places in ``fitted.classes``; in log-odds, from the average person's.
    """
    weights = np.array(fitted.weights)
    beside = fitted.sharpness * (weights - weights.mean(axis=0))
    ready = standardised(x, fitted.transforms, fitted.mean, fitted.scale)
    found: Matrix = ready * beside[chosen]
    return found


def _calibrated(log_odds: Matrix, told: Places) -> list[float]:
    rows, count = np.arange(len(told)), len(told)
    start = np.array([1.0, *np.zeros(log_odds.shape[1])])

    def loss(theta: Matrix) -> tuple[float, Matrix]:
        by_class = log_softmax(theta[0] * log_odds + theta[1:], axis=1)
        miss = np.exp(by_class)
        miss[rows, told] -= 1
        slope = np.array([float((miss * log_odds).sum()), *miss.sum(axis=0)])
        # A light pull to 1 and 0: a class that calibration hardly saw keeps its shift small.
        pull = theta - start
        found = -float(by_class[rows, told].sum()) + float(pull @ pull) / 2
        return found / count, (slope + pull) / count

    found = minimize(loss, start, method="L-BFGS-B", jac=True, options={"gtol": 1e-10})
    return [round(float(value), SHARPNESS_DIGITS) for value in found.x]


def _log_odds(fitted: Choices, x: Matrix) -> Matrix:
    ready = standardised(x, fitted.transforms, fitted.mean, fitted.scale)
    total = np.tile(np.array(fitted.intercepts), (len(x), 1))
    for number, weights in enumerate(np.array(fitted.weights).T):
        total += np.outer(ready[:, number], weights)
    return total
