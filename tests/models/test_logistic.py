from __future__ import annotations

from datetime import date

import numpy as np

from models import logistic
from models.leaks import too_good
from models.samples import Sample


def test_an_unknown_feature_counts_as_the_mean() -> None:
    fitted = logistic.Logistic(["a"], ["none"], [2.0], [1.0], [3.0], 0.0, 1.0, 0.0)
    assert logistic.probability(fitted, np.array([[np.nan], [2.0]])).tolist() == [0.5, 0.5]
    assert logistic.contributions(fitted, np.array([[np.nan], [3.0]])).tolist() == [[0.0], [3.0]]


def test_a_feature_that_separates_too_well_is_a_leak_even_if_time_does_not_show_it() -> None:
    random = np.random.default_rng(1)
    y = (random.random(500) < 0.5).astype(float)
    x = np.column_stack([random.normal(0, 1, 500), y, -y])
    data = Sample(date(2017, 6, 30), [""] * 500, ["plain", "told", "reversed"], x, y)
    assert too_good(data, 0.95) == ["told", "reversed"]


def test_a_feature_that_nobody_has_has_no_weight() -> None:
    random = np.random.default_rng(1)
    y = (random.random(500) < 0.5).astype(float)
    x = np.column_stack([y + random.normal(0, 1, 500), np.full(500, np.nan)])
    data = Sample(date(2017, 6, 30), [""] * 500, ["known", "never"], x, y)
    fitted = logistic.fit(data, data, ["log", "none"])
    assert fitted.weights[0] > 0.5
    assert fitted.weights[1] == 0.0
