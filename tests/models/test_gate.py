from __future__ import annotations

import numpy as np

from models.gate import refusals
from models.quality import Bin, auc, brier, calibration, calibration_error
from schemas.model_definitions import Gate

GATE = Gate(margin_auc=0.02, max_calibration_error=0.05, max_feature_auc=0.95, min_rows=10)
GOOD = [Bin(0.2, 0.22, 100), Bin(0.6, 0.58, 100)]


def test_a_margin_that_is_just_reached_passes() -> None:
    assert refusals(GATE, 0.82, 0.80, GOOD, []) == []


def test_a_model_below_the_margin_is_refused_with_both_figures() -> None:
    (reason,) = refusals(GATE, 0.81, 0.80, GOOD, [])
    assert reason == "AUC 0.810 does not beat the baseline's 0.800 by 0.02"


def test_probabilities_that_do_not_come_true_are_refused() -> None:
    bad = [Bin(0.2, 0.4, 100), Bin(0.6, 0.6, 100)]
    assert calibration_error(bad) == 0.1
    assert refusals(GATE, 0.9, 0.8, bad, []) == ["calibration error 0.100 is above 0.05"]


def test_a_leak_is_refused_by_name() -> None:
    assert refusals(GATE, 0.99, 0.8, GOOD, ["peek"]) == ["features that know the future: peek"]


def test_figures_equal_those_worked_out_by_hand() -> None:
    y = np.array([0.0, 0.0, 1.0, 1.0])
    p = np.array([0.1, 0.4, 0.35, 0.8])
    assert auc(y, p) == 0.75
    assert brier(y, p) == round((0.01 + 0.16 + 0.4225 + 0.04) / 4, 6)
    assert [b.count for b in calibration(y, p)] == [1, 1, 1, 1]
    assert auc(np.ones(3), np.ones(3)) == 0.5
