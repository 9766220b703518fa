from __future__ import annotations

from dataclasses import replace

import msgspec

from models.gate import refusals
from models.quality import Bin, Gain, calibration_error
from models.training import Figures
from schemas.model_definitions import Gate

GATE = Gate(margin=0.02, max_calibration_error=0.05, max_feature_auc=0.95, min_rows=10)
GOOD = [Bin(0.2, 0.22, 100), Bin(0.6, 0.58, 100)]


def figures(low: float, gain: float = 0.03, bins: list[Bin] = GOOD) -> Figures:
    return Figures("AUC", Gain(0.83, 0.80, gain, low, gain + 0.01), 0.83, 0.80, 0.1, bins)


def test_a_margin_that_the_lower_end_just_reaches_passes() -> None:
    assert refusals(GATE, figures(0.02), []) == []


def test_a_gain_whose_interval_goes_below_the_margin_is_refused_with_its_figures() -> None:
    (reason,) = refusals(GATE, figures(0.019), [])
    assert reason == (
        "AUC 0.830 does not beat the baseline's 0.800 by 0.02: "
        "the gain is 0.030, between 0.019 and 0.040"
    )


def test_probabilities_that_do_not_come_true_are_refused() -> None:
    bad = [Bin(0.2, 0.4, 100), Bin(0.6, 0.6, 100)]
    assert calibration_error(bad) == 0.1
    assert refusals(GATE, figures(0.02, bins=bad), []) == ["calibration error 0.100 is above 0.05"]


def test_amounts_that_are_not_paid_are_refused() -> None:
    gate = msgspec.structs.replace(GATE, max_amount_error=0.1)
    told = replace(figures(0.02), amounts=[Bin(120.0, 100.0, 5), Bin(300.0, 300.0, 5)])
    assert refusals(gate, told, []) == []
    told = replace(told, amounts=[Bin(200.0, 100.0, 5), Bin(300.0, 300.0, 5)])
    assert refusals(gate, told, []) == ["amounts are off by 0.250, above 0.1"]


def test_a_leak_is_refused_by_name() -> None:
    told = refusals(GATE, figures(0.02), ["peek"])
    assert told == ["features that know the future: peek"]
