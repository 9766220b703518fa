"""How a predictive model is declared: ``conf/*/models/*.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.errors import FieldError
from schemas.measured import Measured, Name

Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Level = Annotated[float, msgspec.Meta(gt=0.5, lt=1)]
Version = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{16}$")]
Predicts = Literal["absence", "presence", "category", "value"]
Purpose = Literal["marketing", "analytics", "export", "advertising"]


class Feature(Measured, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A column the model reads; the window ends with the date of the snapshot."""

    transform: Literal["none", "log"] = "log"
    """log: log(1 + x), for counts, money and days, whose steps matter less the more there is."""


class Gate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a model must reach before its scores are published."""

    margin: Share
    """What the lower end of the gain's interval must reach. The gain over the baseline is, on
    the test snapshot: of AUC for `absence` and `presence`; the share by which the log loss falls
    for `category`, and the mean absolute error of the amount for `value`."""
    max_calibration_error: Share
    """Largest mean distance of predicted and observed shares over ten bins, weighted by size."""
    max_feature_auc: Share
    """A single feature that separates better than this knows the outcome: a leak."""
    min_rows: Positive
    """Persons that the test, the calibration and the training set must each have."""
    confidence: Level = 0.95
    """Level of the gain's interval, both ends together."""
    max_amount_error: Share | None = None
    """`value` only: largest distance of expected and paid amounts over ten bins, as a share."""


class Choice(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which categories a model tells apart, and how far it looks back at a person's orders."""

    field: Literal["category", "department"]
    classes: Annotated[list[str], msgspec.Meta(min_length=2, max_length=50)]
    """The outcome is the one of these that most was paid for in the next order with any."""
    lookbacks_days: Annotated[list[Positive], msgspec.Meta(min_length=1, max_length=4)]
    """Windows over which orders are counted by class, each a feature per class."""

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes):
            raise FieldError("a class stands twice", field="classes", expected="each class once")


class Purchases(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which features say how often, how long and for how much a person has bought.

    BG/NBD and Gamma–Gamma read nothing else.
    """

    days: Name
    """Business dates with a purchase, ever."""
    since_last_days: Name
    since_first_days: Name
    paid: Name
    """All that was paid, ever, in minor units."""
    baseline_paid: Name
    """The baseline: as much as this, paid in the last `horizon_days`, is paid again."""

    def names(self) -> list[str]:
        """Features in the order in which the model reads them."""
        return [self.days, self.since_last_days, self.since_first_days, self.paid]


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is foretold of which persons, from what, and what it must reach to be published."""

    name: Name
    label: str
    predicts: Predicts
    """`absence` or `presence` of `event` in the horizon, the next order's `category`, or the
    `value` of the horizon: purchases and what is paid."""
    event: Feature
    """What must come, or not; its window says nothing about the outcome."""
    among: Feature | None = None
    """What must have happened in its window for a person to be scored; `event` unless given."""
    horizon_days: Positive
    """The outcome lies in so many days after the snapshot."""
    test_offset_days: Positive
    """Test snapshot: so many days before the business date; at least the horizon."""
    calibration_offset_days: Positive
    train_offsets_days: list[Positive] = []
    """Training snapshots; none for `value`, which is fitted to histories without outcomes."""
    baseline: Name | None = None
    """`absence` and `presence`: the feature that alone is the baseline."""
    features: list[Feature] = []
    choice: Choice | None = None
    purchases: Purchases | None = None
    gate: Gate
    purpose: Purpose | None = None
    """What scores are used for, which a person must have allowed over any channel to get one; no
    statement is a no. Without it everybody of the population is scored."""
    pinned: Version | None = None
    """A published version to score with in place of training anew: how one goes back."""
    sample_persons: Positive = 100_000
    """Persons drawn for each snapshot of training and test; more would change the third digit."""

    def __post_init__(self) -> None:
        self._require_parts()
        self._require_known_names()
        if self.test_offset_days < self.horizon_days:
            raise FieldError(
                "the outcome of the test snapshot is not known yet", field="test_offset_days",
                expected=f"at least horizon_days ({self.horizon_days})",
            )
        earlier = [self.calibration_offset_days, *self.train_offsets_days]
        if min(earlier) < self.test_offset_days + self.horizon_days:
            raise FieldError(
                "outcomes for training end on the test snapshot or before",
                field="calibration_offset_days",
                expected=f"offsets from {self.test_offset_days + self.horizon_days} days on",
            )

    @property
    def population(self) -> Feature:
        """What must have happened for a person to be scored."""
        return self.among or self.event

    @property
    def measured(self) -> list[Feature]:
        """Everything that partials must hold for this model."""
        return [self.event, self.population, *self.features]

    def _require_parts(self) -> None:
        needed = {
            "absence": "baseline", "presence": "baseline",
            "category": "choice", "value": "purchases",
        }[self.predicts]
        for part in ("baseline", "choice", "purchases"):
            if (getattr(self, part) is not None) != (part == needed):
                has = "no" if part == needed else "a"
                raise FieldError(
                    f"a model that predicts {self.predicts} has {has} `{part}`",
                    field="predicts", expected=f"`{needed}`, and neither of the others",
                )
        if (not self.train_offsets_days) != (self.predicts == "value"):
            raise FieldError(
                "training snapshots are for models that learn from outcomes",
                field="train_offsets_days",
                expected="at least one, and none with `predicts: value`",
            )
        if (self.gate.max_amount_error is not None) != (self.predicts == "value"):
            raise FieldError(
                "`max_amount_error` is for amounts", field="gate",
                expected="`max_amount_error` with `predicts: value`, and only there",
            )

    def _require_known_names(self) -> None:
        known = [feature.name for feature in self.features]
        twice = sorted({name for name in known if known.count(name) > 1})
        if twice:
            raise FieldError(
                f"two features are called {twice[0]!r}", field="features",
                expected="each name once",
            )
        named = {"baseline": [self.baseline] if self.baseline else []}
        if self.purchases is not None:
            self._require_whole_histories(self.purchases)
            named["purchases"] = [*self.purchases.names(), self.purchases.baseline_paid]
        for part, names in named.items():
            for name in names:
                if name not in known:
                    raise FieldError(
                        f"{name!r} is none of the features", field=part,
                        expected="one of " + (", ".join(known) or "the features, which are none"),
                    )

    def _require_whole_histories(self, purchases: Purchases) -> None:
        for feature in self.features:
            if feature.name in purchases.names() and feature.window != "ever":
                raise FieldError(
                    f"{feature.name} does not see the whole history", field="purchases",
                    expected="features with `window: ever`",
                )
