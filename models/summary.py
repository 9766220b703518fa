"""What is told of a model of one date: its figures, its gate, and its card in two forms."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from models.fitted import Fitted, weights_of
from models.quality import Bin, Gain, amount_error, calibration_error
from models.samples import Split
from models.training import MEASURES, Figures
from schemas.model_definitions import Model


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """How a model did on its test snapshot; without ``refusals`` its scores are published."""

    model: str
    predicts: str
    business_date: date
    tested_on: date
    features: list[str]
    measure: str
    value: float
    value_baseline: float
    gain: float
    gain_low: float
    gain_high: float
    auc: float
    auc_baseline: float
    brier: float
    calibration: list[Bin]
    calibration_error: float
    amounts: list[Bin]
    amount_error: float | None
    others: dict[str, float]
    weights: dict[str, float]
    count_train: int
    count_calibration: int
    count_test: int
    share_positive: float
    count_scored: int
    refusals: list[str]
    is_pinned: bool = False
    version: str = ""
    drift: dict[str, float] = field(default_factory=dict)

    @property
    def is_published(self) -> bool:
        """Whether the gate let the model pass."""
        return not self.refusals

    def figures(self) -> dict[str, Any]:
        """What the snapshot keeps: all that was known when it was made.

        The version is the fingerprint of the files, so they cannot name it; drift is a day's.
        """
        left_out = ("version", "drift", "is_pinned")
        return {k: v for k, v in dataclasses.asdict(self).items() if k not in left_out}


def untrained(
    definition: Model, day: date, parts: Split, reasons: list[str]
) -> ModelSummary:
    """The summary of a model that could not be trained."""
    return _summary(definition, day, parts, None, None, reasons, 0)


def summary(
    definition: Model, day: date, parts: Split, fitted: Fitted, tested: Figures,
    reasons: list[str], count_scored: int,
) -> ModelSummary:
    """The summary of a model that was tested."""
    return _summary(definition, day, parts, fitted, tested, reasons, count_scored)


def _summary(
    definition: Model, day: date, parts: Split, fitted: Fitted | None, tested: Figures | None,
    reasons: list[str], count_scored: int,
) -> ModelSummary:
    told = tested or Figures(
        MEASURES[definition.predicts], Gain(0.5, 0.5, 0.0, 0.0, 0.0), 0.5, 0.5, 0.0, []
    )
    y = parts.test.y if parts.test.y.ndim == 1 else parts.test.y[:, 0]
    return ModelSummary(
        model=definition.name, predicts=definition.predicts, business_date=day,
        tested_on=parts.test.day, features=parts.test.names, measure=told.measure,
        value=told.gain.ours, value_baseline=told.gain.baseline, gain=told.gain.gain,
        gain_low=told.gain.low, gain_high=told.gain.high, auc=told.auc,
        auc_baseline=told.auc_baseline, brier=told.brier, calibration=told.calibration,
        calibration_error=calibration_error(told.calibration), amounts=told.amounts,
        amount_error=amount_error(told.amounts) if told.amounts else None, others=told.others,
        weights=weights_of(fitted) if fitted is not None else {},
        count_train=len(parts.train.y), count_calibration=len(parts.calibration.y),
        count_test=len(parts.test.y),
        share_positive=round(float((y > 0).mean()), 6) if len(y) else 0.0,
        count_scored=count_scored, refusals=reasons,
    )
