"""A logistic regression as plain numbers: fitted with scikit-learn, read without it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from models.samples import Matrix, Sample

COEFFICIENT_DIGITS = 9
PROBABILITY_DIGITS = 6
"""Both are rounded, so that two machines publish the same."""
PENALTY, NO_PENALTY = 1.0, 1000.0
"""Inverse strengths: features overlap and are held back; two numbers of calibration are not."""


class Logistic(msgspec.Struct, frozen=True, tag="logistic"):
    """What turns features into a probability: transform, standardise, weigh, calibrate."""

    names: list[str]
    transforms: list[str]
    mean: list[float]
    scale: list[float]
    weights: list[float]
    intercept: float
    slope: float
    shift: float


def fit(train: Sample, calibration: Sample, transforms: Sequence[str]) -> Logistic:
    """Weights from ``train``, and the sigmoid that calibrates them from ``calibration``.

    Platt scaling: the second regression reads the first one's log-odds alone. The order of rows
    decides nothing but the last bits, which are rounded away.
    """
    mean, scale = spread(transformed(train.x, transforms))
    found = regression(standardised(train.x, transforms, mean, scale), train.y, PENALTY)
    raw = Logistic(
        train.names, list(transforms), mean, scale, rounded(found.coef_[0]),
        rounded(found.intercept_)[0], 1.0, 0.0,
    )
    second = regression(_log_odds(raw, calibration.x)[:, None], calibration.y, NO_PENALTY)
    (slope,), (shift,) = rounded(second.coef_[0]), rounded(second.intercept_)
    return msgspec.structs.replace(raw, slope=slope, shift=shift)


def probability(fitted: Logistic, x: Matrix) -> Matrix:
    """Calibrated probabilities of rows whose columns are ``fitted.names``."""
    calibrated = fitted.slope * _log_odds(fitted, x) + fitted.shift
    return np.round(1 / (1 + np.exp(-calibrated)), PROBABILITY_DIGITS)


def contributions(fitted: Logistic, x: Matrix) -> Matrix:
    """By how much each feature moves a row's log-odds from those of the average person."""
    ready = standardised(x, fitted.transforms, fitted.mean, fitted.scale)
    return ready * (fitted.slope * np.array(fitted.weights))


def regression(x: Matrix, y: Matrix, c: float) -> LogisticRegression:
    """A fitted regression of scikit-learn with the inverse penalty ``c``."""
    # One thread: sums in another order would change the last bits.
    with threadpool_limits(limits=1):
        return LogisticRegression(C=c, tol=1e-9, max_iter=2000).fit(x, y)


def spread(x: Matrix) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each column, rounded; a column without spread has 1."""
    known = np.where(np.isnan(x).all(axis=0), 0.0, x)
    # A constant's deviation is some last bits, by which nobody may divide.
    scale = [value or 1.0 for value in rounded(np.nanstd(known, axis=0))]
    return rounded(np.nanmean(known, axis=0)), scale


def standardised(
    x: Matrix, transforms: Sequence[str], mean: Sequence[float], scale: Sequence[float]
) -> Matrix:
    """Rows as distances from the mean in standard deviations; unknown is the mean."""
    found: Matrix = np.nan_to_num((transformed(x, transforms) - np.array(mean)) / np.array(scale))
    return found


def transformed(x: Matrix, transforms: Sequence[str]) -> Matrix:
    """Columns under their transforms: ``log`` is log(1 + |x|) with the sign of x."""
    is_log = np.array([kind == "log" for kind in transforms], dtype=bool)
    return np.where(is_log, np.sign(x) * np.log1p(np.abs(x)), x)


def rounded(values: Matrix) -> list[float]:
    """Coefficients as they are kept."""
    return [round(float(value), COEFFICIENT_DIGITS) for value in values]


def _log_odds(fitted: Logistic, x: Matrix) -> Matrix:
    # Column by column: a sum whose order no library chooses.
    total = np.full(len(x), fitted.intercept)
    ready = standardised(x, fitted.transforms, fitted.mean, fitted.scale)
    for number, weight in enumerate(fitted.weights):
        total += weight * ready[:, number]
    return total
