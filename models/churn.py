"""Who will not buy again soon: trained anew for each date, split by time, behind a gate.

The model of a date is a pure function of the draft's partials and persons: a rebuild gives the
same scores to the last digit published.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import msgspec
import numpy as np
import pyarrow as pa

from lake import snapshots
from lake.draft import Draft
from lake.engines.duckdb import quoted
from models.dataset import Column, Dataset, dataset, feature_columns, features, matrix
from models.gate import refusals
from models.leaks import shifted, too_good
from models.logistic import Fitted, fit, predict
from models.quality import Bin, auc, brier, calibration
from pipelines.tags.partials import drop_person_partials, keep_person_partials
from schemas.model_definitions import Model
from schemas.tags import MODEL_SCORES

Columns = Callable[[Model, date], dict[str, Column]]


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """How a model did on its test snapshot; without ``refusals`` its scores are published."""

    model: str
    business_date: date
    tested_on: date
    features: list[str]
    auc: float
    auc_baseline: float
    brier: float
    calibration: list[Bin]
    weights: dict[str, float]
    count_train: int
    count_test: int
    share_positive: float
    count_scored: int
    refusals: list[str]
    version: str = ""

    @property
    def is_published(self) -> bool:
        """Whether the gate let the model pass."""
        return not self.refusals


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model ready to publish: the files of its snapshot, its summary, its scores by person."""

    files: dict[str, bytes]
    summary: ModelSummary
    scores: pa.Table


@dataclass(frozen=True, slots=True)
class _Split:
    train: Dataset
    calibration: Dataset
    test: Dataset

    def parts(self) -> dict[str, Dataset]:
        return {"training": self.train, "calibration": self.calibration, "test": self.test}


def prepare(draft: Draft, definition: Model, columns: Columns = feature_columns) -> Prepared:
    """Train, test and score as of the draft's date, writing nothing.

    A model that the gate refuses has no scores and no files; the summary says why. ``columns``
    stand in place of the declared features.
    """
    relation = keep_person_partials(draft)
    split = _split(draft, relation, definition, columns)
    reasons = _too_small(definition, split)
    now = features(
        draft.session, relation, definition, draft.business_date,
        columns(definition, draft.business_date),
    )
    leaks = shifted(
        draft.session, relation, definition, split.test, columns(definition, split.test.day)
    )
    drop_person_partials(draft)
    leaks += [n for n in too_good(split.train, definition.gate.max_feature_auc) if n not in leaks]
    if reasons:
        return Prepared({}, _untrained(draft, definition, split, reasons), _scores([], []))
    fitted = fit(split.train, split.calibration, _transforms(definition, split.test.names))
    summary = _summary(draft, definition, split, fitted, leaks)
    if not summary.is_published:
        return Prepared({}, summary, _scores([], []))
    probability = predict(fitted, matrix(now))
    summary = dataclasses.replace(summary, count_scored=len(probability))
    # The version is the fingerprint of these files, so they cannot name it.
    figures = {k: v for k, v in dataclasses.asdict(summary).items() if k != "version"}
    files = {
        "model.json": msgspec.json.format(msgspec.json.encode(fitted)),
        "summary.json": msgspec.json.format(msgspec.json.encode(figures)),
    }
    summary = dataclasses.replace(summary, version=snapshots.version_of(files))
    return Prepared(files, summary, _scores(now["one_id"].to_pylist(), probability.tolist()))


def score(draft: Draft, prepared: Sequence[Prepared]) -> list[ModelSummary]:
    """Write the scores of all models of the draft's date, in place of any it had.

    A refused model has none. Returns the summaries in the order of ``prepared``.
    """
    day = draft.business_date
    held = {file.d for file in draft.files(MODEL_SCORES.name)}
    passed = [one for one in prepared if one.summary.is_published]
    if passed or day.isoformat() in held:
        views = [f"fresh_scores_{number}" for number in range(len(passed))]
        parts = []
        for view, one in zip(views, passed, strict=True):
            draft.session.register(view, one.scores)
            parts.append(
                f"SELECT CAST('{day.isoformat()}' AS DATE) AS business_date, "
                f"{quoted(one.summary.model)} AS model, {quoted(one.summary.version)} AS version, "
                f"one_id, probability FROM {view}"
            )
        rows = " UNION ALL ".join(parts) or f"SELECT * FROM {MODEL_SCORES.name} WHERE false"
        draft.replace_dates(MODEL_SCORES.name, [day], f"{rows} ORDER BY model, one_id")
        for view in views:
            draft.session.execute(f"DROP VIEW {view}")
    return [one.summary for one in prepared]


def _split(draft: Draft, relation: str, definition: Model, columns: Columns) -> _Split:
    def at(offset: int) -> Dataset:
        day = draft.business_date - timedelta(days=offset)
        return dataset(draft.session, relation, definition, day, columns(definition, day))

    parts = [at(offset) for offset in sorted(definition.train_offsets_days)]
    train = Dataset(
        parts[0].day, [one_id for part in parts for one_id in part.one_ids], parts[0].names,
        np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts]),
    )
    return _Split(train, at(definition.calibration_offset_days), at(definition.test_offset_days))


def _too_small(definition: Model, split: _Split) -> list[str]:
    found = []
    for name, part in split.parts().items():
        if len(part.y) < definition.gate.min_rows:
            found.append(f"{len(part.y)} persons for {name}, {definition.gate.min_rows} needed")
        elif len(np.unique(part.y)) < 2:
            found.append(f"only one outcome among the persons for {name}")
    return found


def _transforms(definition: Model, names: list[str]) -> list[str]:
    declared = {feature.name: feature.transform for feature in definition.features}
    return [declared.get(name, "none") for name in names]


def _summary(
    draft: Draft, definition: Model, split: _Split, fitted: Fitted, leaks: list[str]
) -> ModelSummary:
    test = split.test
    probability = predict(fitted, test.x)
    bins = calibration(test.y, probability)
    found, alone = auc(test.y, probability), _auc_alone(test, definition.baseline)
    return dataclasses.replace(
        _untrained(draft, definition, split, []),
        auc=found,
        auc_baseline=alone,
        brier=brier(test.y, probability),
        calibration=bins,
        weights=dict(zip(fitted.names, fitted.weights, strict=True)),
        refusals=refusals(definition.gate, found, alone, bins, leaks),
    )


def _auc_alone(test: Dataset, name: str) -> float:
    value = auc(test.y, np.nan_to_num(test.column(name), nan=-1.0))
    return max(value, round(1 - value, 6))


def _untrained(
    draft: Draft, definition: Model, split: _Split, reasons: list[str]
) -> ModelSummary:
    test = split.test
    return ModelSummary(
        model=definition.name,
        business_date=draft.business_date,
        tested_on=test.day,
        features=test.names,
        auc=0.5,
        auc_baseline=0.5,
        brier=0.0,
        calibration=[],
        weights={},
        count_train=len(split.train.y),
        count_test=len(test.y),
        share_positive=round(float(test.y.mean()), 6) if len(test.y) else 0.0,
        count_scored=0,
        refusals=reasons,
    )


def _scores(one_ids: list[str], probability: list[float]) -> pa.Table:
    return pa.table(
        {
            "one_id": pa.array(one_ids, pa.string()),
            "probability": pa.array(probability, pa.float64()),
        }
    )
