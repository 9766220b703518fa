"""The gate: a model's scores are published only if it earned its place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from models.quality import Gain, amount_error, calibration_error
from models.samples import Split
from models.training import Figures
from schemas.model_definitions import Gate


def too_small(gate: Gate, parts: Split) -> list[str]:
    """Why the samples cannot be learnt from, a sentence each."""
    found = []
    for name, part in parts.parts().items():
        if len(part.y) < gate.min_rows:
            found.append(f"{len(part.y)} persons for {name}, {gate.min_rows} needed")
        elif len(np.unique(part.y if part.y.ndim == 1 else part.y[:, 0])) < 2:
            found.append(f"only one outcome among the persons for {name}")
    return found


def refusals(gate: Gate, tested: Figures, leaks: Sequence[str]) -> list[str]:
    """Why a model is not published, a sentence each; none when it passes."""
    found = []
    if leaks:
        found.append("features that know the future: " + ", ".join(leaks))
    if tested.gain.low < gate.margin:
        found.append(_does_not_beat(gate, tested.measure, tested.gain))
    error = calibration_error(tested.calibration)
    if error > gate.max_calibration_error:
        found.append(f"calibration error {error:.3f} is above {gate.max_calibration_error}")
    if gate.max_amount_error is not None:
        error = amount_error(tested.amounts)
        if error > gate.max_amount_error:
            found.append(f"amounts are off by {error:.3f}, above {gate.max_amount_error}")
    return found


def _does_not_beat(gate: Gate, measure: str, gain: Gain) -> str:
    return (
        f"{measure} {gain.ours:.3f} does not beat the baseline's {gain.baseline:.3f} by "
        f"{gate.margin}: the gain is {gain.gain:.3f}, between {gain.low:.3f} and {gain.high:.3f}"
    )
