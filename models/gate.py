"""The gate: a model's scores are published only if it earned its place."""

from __future__ import annotations

from collections.abc import Sequence

from models.quality import Bin, calibration_error
from schemas.model_definitions import Gate


def refusals(
    gate: Gate, auc: float, auc_baseline: float, bins: Sequence[Bin], leaks: Sequence[str]
) -> list[str]:
    """Why a model is not published, a sentence each; none when it passes."""
    found = []
    if leaks:
        found.append("features that know the future: " + ", ".join(leaks))
    if round(auc - auc_baseline, 6) < gate.margin_auc:
        found.append(
            f"AUC {auc:.3f} does not beat the baseline's {auc_baseline:.3f} by {gate.margin_auc}"
        )
    error = calibration_error(list(bins))
    if error > gate.max_calibration_error:
        found.append(
            f"calibration error {error:.3f} is above {gate.max_calibration_error}"
        )
    return found
