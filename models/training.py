"""Trains a model of any kind on samples split by time, and tests it on what came last."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import msgspec
import numpy as np
import pyarrow as pa

from models import choices, dataset, logistic, outcomes, value
from models.choices import Choices
from models.fitted import Fitted, predict
from models.logistic import Logistic
from models.moments import Moments, lines_of
from models.quality import (
    Bin,
    Gain,
    auc,
    auc_by_class,
    auc_gain,
    brier,
    calibration,
    error_gain,
    log_losses,
    separation,
)
from models.samples import Matrix, Sample, Split, joined
from models.value import Buyers
from schemas.model_definitions import Model

SAMPLED = "persons_of_sample"
MEASURES = {
    "absence": "AUC", "presence": "AUC", "category": "log loss",
    "value": "mean absolute error of the amount",
}


@dataclass(frozen=True, slots=True)
class Figures:
    """How a model did on its test sample; ``gain`` is in the measure that its gate asks for."""

    measure: str
    gain: Gain
    auc: float
    auc_baseline: float
    brier: float
    calibration: list[Bin]
    amounts: list[Bin] = field(default_factory=list)
    others: dict[str, float] = field(default_factory=dict)


def split(moments: Moments, definition: Model) -> Split:
    """A model's samples with their outcomes, as of the draft's date.

    The value of a person is fitted without outcomes, so its training sample is the histories
    that end with the test snapshot's day.
    """
    def at(offset: int) -> Sample:
        return _with_outcome(moments, definition, _before(moments, offset))

    test = at(definition.test_offset_days)
    earlier = sorted(definition.train_offsets_days)
    train = joined([at(offset) for offset in earlier]) if earlier else test
    return Split(train, at(definition.calibration_offset_days), test)


def train(definition: Model, parts: Split) -> Fitted:
    """The model that ``parts.train`` and ``parts.calibration`` give."""
    transforms = _transforms(definition, parts.train.names)
    if definition.choice is not None:
        return choices.fit(
            parts.train, parts.calibration, transforms, definition.choice.classes
        )
    if definition.purchases is not None:
        return _buyers(definition, definition.purchases.names(), parts)
    return logistic.fit(parts.train, parts.calibration, transforms)


def test(definition: Model, fitted: Fitted, parts: Split) -> Figures:
    """Figures of ``fitted`` on ``parts.test``, beside the baseline's on the same persons."""
    if definition.choice is not None:
        return _test_choices(definition, fitted, parts)
    if definition.purchases is not None:
        return _test_value(definition, fitted, parts.test, definition.purchases.baseline_paid)
    assert definition.baseline is not None
    sample = parts.test
    probability = predict(fitted, _read(fitted, sample)).probability
    alone = separation(sample.y, sample.column(definition.baseline))
    gain = auc_gain(sample.y, probability, alone, definition.gate.confidence)
    return Figures(
        MEASURES[definition.predicts], gain, gain.ours, gain.baseline,
        brier(sample.y, probability), calibration(sample.y, probability),
        others=_best_alone(sample),
    )


def features_of(definition: Model) -> list[str]:
    """Names of all that a model of this definition may read."""
    habits = outcomes.habit_names(definition.choice) if definition.choice else []
    return [*[feature.name for feature in definition.features], *habits]


def is_of_kind(definition: Model, fitted: Fitted) -> bool:
    """Whether ``fitted`` predicts what the definition asks for."""
    if definition.choice is not None:
        known = set(definition.choice.classes)
        return isinstance(fitted, Choices) and set(fitted.classes) <= known
    if definition.purchases is not None:
        return isinstance(fitted, Buyers) and fitted.horizon_days == definition.horizon_days
    return isinstance(fitted, Logistic)


def scored_features(fitted: Fitted, names: list[str]) -> list[str]:
    """Features of ``fitted`` that are none of ``names``: it cannot score without them."""
    return [name for name in fitted.names if name not in names]


def _best_alone(sample: Sample) -> dict[str, float]:
    """The AUC of the single feature that does best on the test itself, whatever the baseline is."""
    found = {n: auc(sample.y, separation(sample.y, sample.column(n))) for n in sample.names}
    name = max(sorted(found), key=lambda one: found[one])
    return {f"AUC of {name} alone, the best single feature": found[name]}


def _before(moments: Moments, offset: int) -> date:
    return moments.draft.business_date - timedelta(days=offset)


def _with_outcome(moments: Moments, definition: Model, day: date) -> Sample:
    sample, horizon = moments.sample(definition, day), definition.horizon_days
    if definition.choice is not None:
        lines = lines_of(moments.definitions.index(definition))
        rows = _rows_of(moments, sample, outcomes.next_class(
            f"(SELECT * FROM {lines} SEMI JOIN {SAMPLED} USING (one_id))", day, horizon
        ))
        places = {name: place for place, name in enumerate(definition.choice.classes)}
        told = {str(one_id): places[str(name)] for one_id, name in rows}
        y = np.array([told.get(one_id, -1) for one_id in sample.one_ids], dtype=float)
        return replace(sample, y=y).only(y >= 0)
    if definition.purchases is not None:
        return replace(sample, y=_bought_until(moments, definition, sample, day))
    relation = (
        f"(SELECT * FROM {moments.relation} WHERE person_no IN "
        f"(SELECT person_no FROM persons SEMI JOIN {SAMPLED} USING (one_id)))"
    )
    rows = _rows_of(moments, sample, dataset.outcome(relation, definition.event, day, horizon))
    came = {str(one_id) for (one_id,) in rows}
    wanted = definition.predicts == "presence"
    y = np.array([float((one_id in came) == wanted) for one_id in sample.one_ids])
    return replace(sample, y=y)


def _rows_of(moments: Moments, sample: Sample, query: str) -> list[tuple[object, ...]]:
    """What a query gives that reads the persons of ``sample`` from ``SAMPLED``: no others' rows."""
    session = moments.draft.session
    session.register(SAMPLED, pa.table({"one_id": pa.array(sample.one_ids, pa.string())}))
    rows = session.rows(query)
    session.execute(f"DROP VIEW {SAMPLED}")
    return rows


def _bought_until(moments: Moments, definition: Model, sample: Sample, day: date) -> Matrix:
    """Purchase days and payments of the horizon: what is known at its end, less what was."""
    assert definition.purchases is not None
    later = moments.at(day + timedelta(days=definition.horizon_days))
    rows = {one_id: row for row, one_id in enumerate(later.one_ids)}
    places = np.array([rows[one_id] for one_id in sample.one_ids], dtype=int)
    columns = moments.columns_of(definition)
    found = [
        later.columns[columns[name]][places] - sample.column(name)
        for name in (definition.purchases.days, definition.purchases.paid)
    ]
    both: Matrix = np.nan_to_num(np.column_stack(found))
    return both


def _transforms(definition: Model, names: list[str]) -> list[str]:
    declared = {feature.name: feature.transform for feature in definition.features}
    return [declared.get(name, "log") for name in names]


def _read(fitted: Fitted, sample: Sample) -> Matrix:
    """The columns that ``fitted`` reads, in its order."""
    return np.column_stack([sample.column(name) for name in fitted.names])


def _buyers(definition: Model, names: list[str], parts: Split) -> Buyers:
    def columns(sample: Sample) -> Matrix:
        return np.column_stack([sample.column(name) for name in names])

    x = columns(parts.train)
    repeat, last, total = value.history(x)
    paid = np.nan_to_num(x[:, 3])
    is_payer = paid > 0
    count = repeat[is_payer] + 1
    raw = Buyers(
        list(names), definition.horizon_days,
        value.fit_buying(repeat, last, total),
        value.fit_spending(count, paid[is_payer] / count),
        [round(float(one), 2) for one in np.nanmedian(x, axis=0)],
    )
    told = predict(raw, columns(parts.calibration)).purchases
    assert told is not None
    season = float(parts.calibration.y[:, 0].sum()) / max(float(told.sum()), 1e-9)
    return msgspec.structs.replace(raw, scale_purchases=round(season, 6))


def _test_choices(definition: Model, fitted: Fitted, parts: Split) -> Figures:
    sample = parts.test
    assert definition.choice is not None
    said = predict(fitted, _read(fitted, sample))
    assert isinstance(fitted, Choices)
    assert said.by_class is not None
    classes = definition.choice.classes
    by_class = np.zeros((len(sample.y), len(classes)))
    by_class[:, [classes.index(one) for one in fitted.classes]] = said.by_class
    usual = _usual(definition, parts)
    gain = error_gain(
        log_losses(sample.y, by_class), log_losses(sample.y, usual), definition.gate.confidence
    )
    hit = (by_class.argmax(axis=1) == sample.y).astype(float)
    return Figures(
        MEASURES["category"], gain, auc_by_class(sample.y, by_class),
        auc_by_class(sample.y, usual), brier(hit, said.probability),
        calibration(hit, said.probability),
        others={
            "share right": round(float(hit.mean()), 6),
            "share right of the baseline": round(
                float((usual.argmax(axis=1) == sample.y).mean()), 6
            ),
            "share of the commonest class": round(
                float(np.bincount(sample.y.astype(int)).max() / len(sample.y)), 6
            ),
        },
    )


def _usual(definition: Model, parts: Split) -> Matrix:
    """The baseline of a choice: a person's own shares of main classes, and one order of all's."""
    assert definition.choice is not None
    longest = max(definition.choice.lookbacks_days)
    classes = definition.choice.classes
    own = np.column_stack(
        [parts.test.column(f"main_{longest}d {name}") for name in classes]
    )
    every = np.bincount(parts.train.y.astype(int), minlength=len(classes)) / len(parts.train.y)
    found: Matrix = (own + every) / (own.sum(axis=1, keepdims=True) + 1)
    return found


def _test_value(definition: Model, fitted: Fitted, sample: Sample, baseline: str) -> Figures:
    said = predict(fitted, _read(fitted, sample))
    assert said.amount is not None
    assert said.purchases is not None
    bought = (sample.y[:, 0] > 0).astype(float)
    before = np.nan_to_num(sample.column(baseline))
    paid = sample.y[:, 1]
    gain = error_gain(
        np.abs(said.amount - paid), np.abs(before - paid), definition.gate.confidence
    )
    return Figures(
        MEASURES["value"], gain, auc(bought, said.probability), auc(bought, before),
        brier(bought, said.probability), calibration(bought, said.probability),
        amounts=calibration(paid, said.amount),
        others={
            "purchases expected": round(float(said.purchases.sum()), 2),
            "purchases made": round(float(sample.y[:, 0].sum()), 2),
            "amount expected": round(float(said.amount.sum()), 2),
            "amount paid": round(float(paid.sum()), 2),
        },
    )
