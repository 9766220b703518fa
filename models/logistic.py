"""A logistic regression as plain numbers: fitted with scikit-learn, read without it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from models.dataset import Dataset, Matrix

COEFFICIENT_DIGITS = 9
PROBABILITY_DIGITS = 6
"""Both are rounded, so that two machines publish the same."""
PENALTY, NO_PENALTY = 1.0, 1000.0
"""Inverse strengths: features overlap and are held back; two numbers of calibration are not."""


class Fitted(msgspec.Struct, frozen=True):
    """What turns features into a probability: transform, standardise, weigh, calibrate."""

    names: list[str]
    transforms: list[str]
    mean: list[float]
    scale: list[float]
    weights: list[float]
    intercept: float
    slope: float
    shift: float


def fit(train: Dataset, calibration: Dataset, transforms: Sequence[str]) -> Fitted:
    """Weights from ``train``, and the sigmoid that calibrates them from ``calibration``.

    Platt scaling: the second regression reads the first one's log-odds alone. The order of rows
    decides nothing but the last bits, which are rounded away.
    """
    x = _transformed(train.x, transforms)
    mean = np.nan_to_num(np.nanmean(x, axis=0))
    scale = np.nan_to_num(np.nanstd(x, axis=0))
    scale[scale == 0] = 1.0
    ready = np.nan_to_num((x - mean) / scale)
    intercept, weights = _regression(ready, train.y, PENALTY)
    raw = Fitted(
        train.names, list(transforms), _rounded(mean), _rounded(scale), _rounded(weights),
        round(intercept, COEFFICIENT_DIGITS), 1.0, 0.0,
    )
    shift, slopes = _regression(_log_odds(raw, calibration.x)[:, None], calibration.y, NO_PENALTY)
    (slope,), (shift,) = _rounded(slopes), _rounded(np.array([shift]))
    return msgspec.structs.replace(raw, slope=slope, shift=shift)


def predict(fitted: Fitted, x: Matrix) -> Matrix:
    """Calibrated probabilities of rows whose columns are ``fitted.names``."""
    calibrated = fitted.slope * _log_odds(fitted, x) + fitted.shift
    return np.round(1 / (1 + np.exp(-calibrated)), PROBABILITY_DIGITS)


def _regression(x: Matrix, y: Matrix, c: float) -> tuple[float, Matrix]:
    # One thread: sums in another order would change the last bits.
    with threadpool_limits(limits=1):
        found = LogisticRegression(C=c, tol=1e-9, max_iter=2000).fit(x, y)
    return float(found.intercept_[0]), found.coef_[0]


def _log_odds(fitted: Fitted, x: Matrix) -> Matrix:
    ready = _transformed(x, fitted.transforms)
    total = np.full(len(x), fitted.intercept)
    for number, weight in enumerate(fitted.weights):
        part = (ready[:, number] - fitted.mean[number]) / fitted.scale[number]
        total += weight * np.nan_to_num(part)
    return total


def _transformed(x: Matrix, transforms: Sequence[str]) -> Matrix:
    columns = [
        np.sign(x[:, number]) * np.log1p(np.abs(x[:, number])) if kind == "log" else x[:, number]
        for number, kind in enumerate(transforms)
    ]
    return np.column_stack(columns)


def _rounded(values: Matrix) -> list[float]:
    return [round(float(value), COEFFICIENT_DIGITS) for value in values]
