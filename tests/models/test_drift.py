from __future__ import annotations

import numpy as np
import pytest

from models import drift


def test_the_same_spread_has_an_index_of_nothing() -> None:
    values = np.arange(1000.0)
    then = drift.reference(values)
    assert len(then.edges) == 9
    assert drift.psi(then, drift.counted(then.edges, values)) == 0.0


def test_the_index_is_the_one_worked_out_by_hand() -> None:
    then = drift.Reference([1.0], [0.5, 0.5, 0.0])
    now = np.array([20.0, 80.0, 0.0])
    by_hand = (0.2 - 0.5) * np.log(0.2 / 0.5) + (0.8 - 0.5) * np.log(0.8 / 0.5)
    assert drift.psi(then, now) == pytest.approx(by_hand, abs=1e-6)


def test_unknown_values_have_a_bin_of_their_own() -> None:
    values = np.array([1.0, 2.0, np.nan, np.nan])
    assert drift.counted([1.5], values).tolist() == [1.0, 1.0, 2.0]
    then = drift.reference(np.arange(100.0))
    gone = drift.psi(then, drift.counted(then.edges, np.full(100, np.nan)))
    assert drift.status(gone) == "drifted"


def test_ties_share_a_bin() -> None:
    then = drift.reference(np.concatenate([np.zeros(900), np.arange(100.0)]))
    assert len(then.edges) == len(set(then.edges))
    assert sum(then.shares) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("index", "told"), [(0.0999, "steady"), (0.1, "moved"), (0.2499, "moved"), (0.25, "drifted")]
)
def test_the_borders_are_a_tenth_and_a_quarter(index: float, told: str) -> None:
    assert drift.status(index) == told
