"""BG/NBD and Gamma–Gamma against the papers' own data and parameters."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from models import value
from models.samples import Matrix
from models.value import Buying, Spending

PAPER = Buying(0.2426, 4.4136, 0.7929, 2.4259)


@pytest.fixture(scope="module")
def cdnow() -> dict[str, Matrix]:
    """x, t_x and T in weeks of 2,357 customers, and the mean of their repeat payments."""
    found = find_spec("lifetimes")
    if found is None or found.origin is None:
        pytest.skip("the CDNOW data come with the package lifetimes, which is not installed")
    name = "cdnow_customers_summary_with_transactions.csv"
    with (Path(found.origin).parent / "datasets" / name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {key: np.array([float(row[key]) for row in rows]) for key in ("x", "t_x", "T", "zbar")}


def test_bg_nbd_finds_the_published_parameters_of_cdnow(cdnow: dict[str, Matrix]) -> None:
    found = value.fit_buying(cdnow["x"], cdnow["t_x"], cdnow["T"])
    assert found.r == pytest.approx(0.2426, abs=1e-4)
    assert found.alpha == pytest.approx(4.4135, abs=1e-3)
    assert found.a == pytest.approx(0.7929, abs=1e-3)
    assert found.b == pytest.approx(2.4258, abs=1e-3)


def test_gamma_gamma_finds_the_published_parameters_of_cdnow(cdnow: dict[str, Matrix]) -> None:
    repeat = cdnow["x"] > 0
    found = value.fit_spending(cdnow["x"][repeat], cdnow["zbar"][repeat])
    assert found.p == pytest.approx(6.25, abs=0.01)
    assert found.q == pytest.approx(3.74, abs=0.01)
    assert found.v == pytest.approx(15.45, abs=0.02)


def test_another_unit_of_time_changes_alpha_alone(cdnow: dict[str, Matrix]) -> None:
    weeks = value.fit_buying(cdnow["x"], cdnow["t_x"], cdnow["T"])
    days = value.fit_buying(cdnow["x"], 7 * cdnow["t_x"], 7 * cdnow["T"])
    assert days.alpha == pytest.approx(7 * weeks.alpha, rel=1e-4)
    assert (days.r, days.a, days.b) == pytest.approx((weeks.r, weeks.a, weeks.b), rel=1e-4)


def test_a_customer_of_the_paper_is_expected_to_buy_as_it_says() -> None:
    x, t_x, total = (np.array([v]) for v in (2.0, 30.43, 38.86))
    assert value.expected_purchases(PAPER, 39, x, t_x, total)[0] == pytest.approx(1.226, abs=1e-3)


def test_chances_agree_with_persons_drawn_from_the_model() -> None:
    random = np.random.default_rng(1)
    of, horizon, total = Buying(0.8, 10.0, 0.9, 4.0), 20.0, 30.0
    found = [_person(random, of, total, horizon) for _ in range(40_000)]
    x, t_x, later = (np.array(column, dtype=float) for column in zip(*found, strict=True))
    told = value.expected_purchases(of, horizon, x, t_x, np.full(len(x), total))
    chance = value.chance_to_buy(of, horizon, x, t_x, np.full(len(x), total))
    for part in (x == 0, x == 1, x > 3):
        assert told[part].mean() == pytest.approx(later[part].mean(), rel=0.05)
        assert chance[part].mean() == pytest.approx((later[part] > 0).mean(), abs=0.01)


def _person(
    random: np.random.Generator, of: Buying, total: float, horizon: float
) -> tuple[int, float, int]:
    rate, leave = random.gamma(of.r, 1 / of.alpha), random.beta(of.a, of.b)
    at, x, t_x, later = 0.0, 0, 0.0, 0
    while (at := at + random.exponential(1 / max(rate, 1e-12))) <= total + horizon:
        if at <= total:
            x, t_x = x + 1, at
        else:
            later += 1
        if random.random() < leave:
            break
    return x, t_x, later


def test_persons_with_hundreds_of_purchases_do_not_overflow() -> None:
    of = Buying(0.76, 11.7, 0.15, 160.9)
    x = np.array([0.0, 5.0, 363.0, 2000.0])
    total = np.full(4, 364.0)
    told = value.expected_purchases(of, 30.0, x, np.where(x > 0, 363.0, 0.0), total)
    assert np.isfinite(told).all()
    assert (np.diff(told) > 0).all()
    assert told[2] == pytest.approx(29.0, abs=1.5)


def test_payments_are_drawn_from_ones_own_mean_to_that_of_all() -> None:
    of = Spending(6.25, 3.74, 15.45)
    count, mean = np.array([0.0, 1.0, 100.0]), np.array([0.0, 100.0, 100.0])
    told = value.expected_payment(of, count, mean)
    assert told[0] == pytest.approx(6.25 * 15.45 / 2.74)
    assert told[0] < told[1] < told[2] < 100


def test_histories_count_repeat_purchases_from_the_first() -> None:
    known = np.array([[1.0, 4.0, 4.0, 9.0], [3.0, 2.0, 10.0, 9.0], [np.nan] * 4])
    x, t_x, total = value.history(known)
    assert x.tolist() == [0.0, 2.0, 0.0]
    assert t_x.tolist() == [0.0, 8.0, 0.0]
    assert total.tolist() == [4.0, 10.0, 0.0]
