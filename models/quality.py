"""Figures of a prediction: AUC, Brier score, calibration by bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.metrics import brier_score_loss, roc_auc_score

from models.dataset import Matrix

BINS = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """A tenth of the persons by prediction: mean prediction, share that came true, size."""

    predicted: float
    observed: float
    count: int


def auc(y: Matrix, score: Matrix) -> float:
    """Chance that a random positive has the higher score; 0.5 where there is only one class."""
    if len(np.unique(y)) < 2:
        return 0.5
    return round(float(roc_auc_score(y, score)), 6)


def brier(y: Matrix, probability: Matrix) -> float:
    """Mean squared distance of probability and outcome."""
    return round(float(brier_score_loss(y, probability)), 6)


def calibration(y: Matrix, probability: Matrix) -> list[Bin]:
    """Ten bins of equal size, from the lowest prediction up."""
    order = np.lexsort((y, probability))
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return [
        Bin(
            round(float(probability[part].mean()), 6),
            round(float(y[part].mean()), 6),
            len(part),
        )
        for part in parts
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Mean distance of predicted and observed shares, weighted by size."""
    count = sum(b.count for b in bins) or 1
    return round(sum(abs(b.predicted - b.observed) * b.count for b in bins) / count, 6)
