"""How a predictive model is declared: ``conf/*/models/*.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.tag_definitions import Measured, Name

Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Feature(Measured, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A column the model reads; the window ends with the date of the snapshot."""

    transform: Literal["none", "log"] = "log"
    """log: log(1 + x), for counts, money and days, whose steps matter less the more there is."""


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model must reach before its scores are published."""

    margin_auc: Share
    """By how much its AUC on the test snapshot must pass the baseline's."""
    max_calibration_error: Share
    """Largest mean distance of predicted and observed shares over ten bins, weighted by size."""
    max_feature_auc: Share
    """A single feature that separates better than this knows the outcome: a leak."""
    min_rows: Positive
    """Persons that the test, the calibration and the training set must each have."""


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A probability that persons who had ``event`` lately will not have it again soon."""

    name: Name
    label: str
    event: Feature
    """What must have happened in its window for a person to be scored, and not again after."""
    horizon_days: Positive
    """The outcome: no ``event`` in so many days after the snapshot."""
    test_offset_days: Positive
    """Test snapshot: so many days before the business date; at least the horizon."""
    calibration_offset_days: Positive
    train_offsets_days: Annotated[list[Positive], msgspec.Meta(min_length=1)]
    baseline: Name
    """The feature that alone is the baseline."""
    features: Annotated[list[Feature], msgspec.Meta(min_length=2)]
    gate: Gate

    def __post_init__(self) -> None:
        if self.baseline not in {feature.name for feature in self.features}:
            raise ValueError(f"the baseline {self.baseline!r} is none of the features")
        if self.test_offset_days < self.horizon_days:
            raise ValueError("the outcome of the test snapshot is not known yet")
        earlier = [self.calibration_offset_days, *self.train_offsets_days]
        if min(earlier) < self.test_offset_days + self.horizon_days:
            raise ValueError("outcomes for training end on the test snapshot or before")
