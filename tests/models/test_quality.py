from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from models.quality import (
    area_of_lift,
    auc,
    auc_gain,
    brier,
    calibration,
    error_gain,
    log_losses,
    separation,
)


def drawn(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = (random.random(count) < 0.3).astype(float)
    return y, y + random.normal(0, 1, count), np.round(y + random.normal(0, 2, count))


def test_figures_equal_those_worked_out_by_hand() -> None:
    y = np.array([0.0, 0.0, 1.0, 1.0])
    p = np.array([0.1, 0.4, 0.35, 0.8])
    assert auc(y, p) == 0.75
    assert brier(y, p) == round((0.01 + 0.16 + 0.4225 + 0.04) / 4, 6)
    assert [b.count for b in calibration(y, p)] == [1, 1, 1, 1]
    assert auc(np.ones(3), np.ones(3)) == 0.5


def test_auc_is_that_of_scikit_learn_ties_included() -> None:
    y, good, tied = drawn(500)
    for score in (good, tied):
        assert auc(y, score) == round(float(roc_auc_score(y, score)), 6)


def test_the_gains_interval_covers_what_many_samples_give() -> None:
    truth = auc_gain(*drawn(200_000, 9), 0.95).gain
    found = [auc_gain(*drawn(300, seed), 0.95) for seed in range(400)]
    covered = np.mean([one.low <= truth <= one.high for one in found])
    assert covered == pytest.approx(0.95, abs=0.03)


def test_a_model_has_no_gain_over_itself() -> None:
    y, good, _ = drawn(100)
    told = auc_gain(y, good, good, 0.95)
    assert (told.gain, told.low, told.high) == (0.0, 0.0, 0.0)


def test_errors_that_fall_by_a_fifth_are_a_gain_of_a_fifth() -> None:
    random = np.random.default_rng(1)
    baseline = random.exponential(1, 2000)
    told = error_gain(0.8 * baseline, baseline, 0.95)
    assert told.gain == pytest.approx(0.2)
    assert told.low == pytest.approx(0.2)
    noisy = error_gain(random.permutation(0.8 * baseline), baseline, 0.95)
    assert noisy.low < 0.2 < noisy.high


def test_lift_of_a_perfect_order_and_of_none() -> None:
    y = np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert area_of_lift(y, y) == 0.9
    assert area_of_lift(y, np.zeros(10)) == 0.5
    assert area_of_lift(y, -y) == pytest.approx(0.1)


def test_an_unknown_baseline_stands_at_the_end_that_suits_it() -> None:
    y = np.array([0.0, 0.0, 1.0, 1.0])
    days_ago = np.array([np.nan, 90.0, 2.0, 1.0])
    assert auc(y, separation(y, days_ago)) == 1.0


def test_a_class_that_was_given_no_chance_costs_much_but_not_everything() -> None:
    told = log_losses(np.array([0.0, 1.0]), np.array([[0.5, 0.5], [1.0, 0.0]]))
    assert told.tolist() == pytest.approx([np.log(2), np.log(1e6)])
