"""How often a person will buy, and for how much: BG/NBD and Gamma–Gamma by maximum likelihood.

Fader, Hardie, Lee 2005, "Counting Your Customers the Easy Way"; Fader, Hardie 2013, "The
Gamma-Gamma Model of Monetary Value". `x` are repeat purchases, `t_x` the time of the last and `T`
the time since the first, from the first purchase on.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1

from models.samples import Matrix
from schemas.errors import QualityError

DIGITS = 6
NAMES = ("days", "since_last_days", "since_first_days", "paid")


class Buying(msgspec.Struct, frozen=True):
    """BG/NBD: gamma (r, alpha) of rates, beta (a, b) of the chance to leave at a purchase."""

    r: float
    alpha: float
    a: float
    b: float


class Spending(msgspec.Struct, frozen=True):
    """Gamma–Gamma: a purchase is gamma (p), its rate gamma (q, v) over persons."""

    p: float
    q: float
    v: float


class Buyers(msgspec.Struct, frozen=True, tag="buyers"):
    """What turns a person's purchase days, dates and payments into what the horizon will bring."""

    names: list[str]
    """The features that stand for ``NAMES``, in their order."""
    horizon_days: int
    buying: Buying
    spending: Spending
    typical: list[float]
    """Medians of the features, beside which a person's reasons are told."""
    scale_purchases: float = 1.0
    """What calibration found the season to multiply purchases by."""


def fit_buying(x: Matrix, t_x: Matrix, total: Matrix) -> Buying:
    """Parameters of BG/NBD; times in any one unit, in which ``alpha`` is then given."""
    unit = float(total.mean()) / 30 or 1.0
    rows, weights = np.unique(
        np.column_stack([x, t_x / unit, total / unit]), axis=0, return_counts=True
    )
    share = weights / weights.sum()

    def loss(theta: Matrix) -> float:
        r, alpha, a, b = np.exp(theta)
        return -float(share @ _buying_log_likelihood(Buying(r, alpha, a, b), *rows.T))

    r, alpha, a, b = _minimum(loss, 4, "BG/NBD")
    return Buying(*_rounded(r, alpha * unit, a, b))


def fit_spending(count: Matrix, mean: Matrix) -> Spending:
    """Parameters of Gamma–Gamma from each person's purchases and mean payment, both above 0."""
    unit = float(mean.mean()) or 1.0
    scaled = mean / unit

    def loss(theta: Matrix) -> float:
        p, q, v = np.exp(theta)
        shape = p * count
        found = (
            gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * np.log(v)
            + (shape - 1) * np.log(scaled) + shape * np.log(count)
            - (shape + q) * np.log(count * scaled + v)
        )
        return -float(found.mean())

    p, q, v = _minimum(loss, 3, "Gamma–Gamma")
    return Spending(*_rounded(p, q, v * unit))


def expected_purchases(of: Buying, horizon: float, x: Matrix, t_x: Matrix, total: Matrix) -> Matrix:
    """Expected purchases in the ``horizon`` to come.

    The paper's equation 10 with its 2F1 under Euler's transformation, which leaves small
    parameters and does not overflow for persons with hundreds of purchases.
    """
    a = of.a if abs(of.a - 1) > 1e-6 else of.a + 1e-6
    kept = (of.alpha + total) / (of.alpha + total + horizon)
    curve = kept ** (a - 1) * hyp2f1(a + of.b - 1 - of.r, a - 1, a + of.b + x - 1, 1 - kept)
    found: Matrix = (a + of.b + x - 1) / (a - 1) * (1 - curve) * still_buying(of, x, t_x, total)
    return np.maximum(found, 0.0)


def still_buying(of: Buying, x: Matrix, t_x: Matrix, total: Matrix) -> Matrix:
    """The chance that a person has not left yet; 1 for who has not bought again."""
    odds = of.a / (of.b + np.maximum(x, 1) - 1)
    gone = odds * ((of.alpha + total) / (of.alpha + t_x)) ** (of.r + x)
    return np.where(x > 0, 1 / (1 + gone), 1.0)


def chance_to_buy(of: Buying, horizon: float, x: Matrix, t_x: Matrix, total: Matrix) -> Matrix:
    """The chance of at least one purchase: to be there still, and not to pause that long."""
    pause = ((of.alpha + total) / (of.alpha + total + horizon)) ** (of.r + x)
    return still_buying(of, x, t_x, total) * (1 - pause)


def expected_payment(of: Spending, count: Matrix, mean: Matrix) -> Matrix:
    """Expected payment per purchase, drawn from one's own mean towards that of all."""
    below = np.maximum(of.p * count + of.q - 1, 1e-6)
    return of.p * (of.v + count * np.maximum(mean, 0.0)) / below


def history(x: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Repeat purchase days, time of the last and time since the first, from ``NAMES``' columns."""
    days, since_last, since_first = (np.nan_to_num(x[:, n]) for n in range(3))
    total = np.maximum(since_first, 0.0)
    repeat = np.maximum(days - 1, 0.0)
    return repeat, np.where(repeat > 0, np.clip(total - since_last, 0.0, total), 0.0), total


def _buying_log_likelihood(of: Buying, x: Matrix, t_x: Matrix, total: Matrix) -> Matrix:
    together = (
        gammaln(of.r + x) - gammaln(of.r) + of.r * np.log(of.alpha)
        + gammaln(of.a + of.b) + gammaln(of.b + x) - gammaln(of.b) - gammaln(of.a + of.b + x)
    )
    here = -(of.r + x) * np.log(of.alpha + total)
    left = (
        np.log(of.a) - np.log(of.b + np.maximum(x, 1) - 1) - (of.r + x) * np.log(of.alpha + t_x)
    )
    found: Matrix = together + np.where(x > 0, np.logaddexp(here, left), here)
    return found


def _minimum(loss: Callable[[Matrix], float], count: int, what: str) -> Matrix:
    found = minimize(
        loss, np.zeros(count), method="L-BFGS-B", jac="3-point", bounds=[(-12, 12)] * count,
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 500},
    )
    if not np.isfinite(found.fun):
        raise QualityError(
            f"{what} does not fit these purchases", expected="a finite likelihood",
            got=str(found.fun), todo="look at the features of the model: days, dates and payments",
        )
    best: Matrix = np.exp(found.x)
    return best


def _rounded(*values: float) -> tuple[float, ...]:
    return tuple(round(float(value), DIGITS) for value in values)
