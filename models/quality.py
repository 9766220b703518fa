"""Figures of a prediction: AUC and its gain, errors, calibration by bins, lift."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy.stats import rankdata

from models.samples import Matrix

BINS = 10
RESAMPLES, SEED = 400, 20170630


@dataclass(frozen=True, slots=True)
class Bin:
    """A tenth of the persons by prediction: mean prediction, mean of what came, size."""

    predicted: float
    observed: float
    count: int


@dataclass(frozen=True, slots=True)
class Gain:
    """By how much a model beats its baseline on the same persons, and the interval of that."""

    ours: float
    baseline: float
    gain: float
    low: float
    high: float


def auc(y: Matrix, score: Matrix) -> float:
    """Chance that a random positive has the higher score; 0.5 where there is only one class."""
    count = int((y == 1).sum())
    rest = len(y) - count
    if not count or not rest:
        return 0.5
    ranks = float(rankdata(score)[y == 1].sum())
    return round((ranks - count * (count + 1) / 2) / (count * rest), 6)


def separation(y: Matrix, values: Matrix) -> Matrix:
    """``values`` turned so that they rank ``y`` best: as they are or reversed, unknown at an end.

    A baseline is not to lose because nobody said what an unknown value means.
    """
    known = values[~np.isnan(values)]
    low, high = (float(known.min()) - 1, float(known.max()) + 1) if len(known) else (0.0, 0.0)
    ways = [sign * np.nan_to_num(values, nan=end) for sign in (1, -1) for end in (low, high)]
    return max(ways, key=lambda way: auc(y, way))


def auc_by_class(y: Matrix, by_class: Matrix) -> float:
    """Mean over classes of the AUC of one against the rest; ``y`` are columns of ``by_class``."""
    of_class = [auc((y == n).astype(float), by_class[:, n]) for n in np.unique(y).astype(int)]
    return round(float(np.mean(of_class)), 6) if of_class else 0.5


def auc_gain(y: Matrix, ours: Matrix, baseline: Matrix, confidence: float) -> Gain:
    """The difference of two AUCs on the same persons, with DeLong's interval.

    DeLong, DeLong, Clarke-Pearson 1988, by ranks after Sun and Xu 2014.
    """
    is_positive = y == 1
    count, rest = int(is_positive.sum()), int((~is_positive).sum())
    if min(count, rest) < 2:
        return Gain(0.5, 0.5, 0.0, 0.0, 0.0)
    parts = [_components(score[is_positive], score[~is_positive]) for score in (ours, baseline)]
    of_positives = np.cov([part[0] for part in parts]) / count
    of_rest = np.cov([part[1] for part in parts]) / rest
    spread = of_positives + of_rest
    deviation = float(np.sqrt(max(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1], 0.0)))
    first, second = (float(part[0].mean()) for part in parts)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * deviation
    return _gain(first, second, first - second, first - second - reach, first - second + reach)


def error_gain(ours: Matrix, baseline: Matrix, confidence: float) -> Gain:
    """The share by which the mean error falls, from each person's two errors.

    The interval is that of a paired bootstrap over persons with a fixed seed.
    """
    if len(ours) < 2 or not baseline.mean() > 0:
        return Gain(0.0, 0.0, 0.0, 0.0, 0.0)
    random = np.random.default_rng(SEED)
    found = np.empty(RESAMPLES)
    for number in range(RESAMPLES):
        drawn = random.integers(0, len(ours), len(ours))
        found[number] = 1 - ours[drawn].mean() / baseline[drawn].mean()
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2])
    first, second = float(ours.mean()), float(baseline.mean())
    return _gain(first, second, 1 - first / second, float(low), float(high))


def area_of_lift(y: Matrix, score: Matrix) -> float:
    """ALIFT: area under the share of positives found among the first by score (Moro et al. 2014).

    The curve runs from (0, 0) to (1, 1); persons of one score share their positives.
    """
    order = np.argsort(-score, kind="stable")
    _, place = np.unique(-score[order], return_inverse=True)
    smooth = (np.bincount(place, y[order]) / np.bincount(place))[place]
    found = np.concatenate([[0.0], np.cumsum(smooth)]) / y.sum()
    return round(float(((found[1:] + found[:-1]) / 2).mean()), 6)


def brier(y: Matrix, probability: Matrix) -> float:
    """Mean squared distance of probability and outcome."""
    return round(float(np.mean((y - probability) ** 2)), 6)


def log_losses(y: Matrix, by_class: Matrix) -> Matrix:
    """Each person's loss: minus the logarithm of what the class that came was given."""
    told = by_class[np.arange(len(y)), y.astype(int)]
    found: Matrix = -np.log(np.clip(told, 1e-6, 1.0))
    return found


def calibration(y: Matrix, predicted: Matrix) -> list[Bin]:
    """Ten bins of equal size, from the lowest prediction up; for shares as for amounts."""
    order = np.lexsort((y, predicted))
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return [
        Bin(
            round(float(predicted[part].mean()), 6),
            round(float(y[part].mean()), 6),
            len(part),
        )
        for part in parts
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Mean distance of predicted and observed, weighted by size."""
    count = sum(b.count for b in bins) or 1
    return round(sum(abs(b.predicted - b.observed) * b.count for b in bins) / count, 6)


def amount_error(bins: list[Bin]) -> float:
    """``calibration_error`` as a share of what was observed; 1 where nothing was."""
    observed = sum(b.observed * b.count for b in bins) / (sum(b.count for b in bins) or 1)
    return round(calibration_error(bins) / observed, 6) if observed > 0 else 1.0


def _components(positives: Matrix, rest: Matrix) -> tuple[Matrix, Matrix]:
    """Per person, the share of the other class that is ranked right."""
    together = rankdata(np.concatenate([positives, rest]))
    count = len(positives)
    return (
        (together[:count] - rankdata(positives)) / len(rest),
        1 - (together[count:] - rankdata(rest)) / count,
    )


def _gain(*figures: float) -> Gain:
    return Gain(*(round(figure, 6) for figure in figures))
