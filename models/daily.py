"""The models of a release: trained, tested, gated and scored as of its date.

The model of a date is a pure function of the draft's partials, orders and persons, and of its
definition, which may pin a version: a rebuild gives the same scores to the last digit published.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa

from lake import snapshots
from lake.draft import Draft
from models import card, dataset, drift, gate, leaks, registry, scores, training
from models.fitted import Fitted, predict
from models.moments import NOW, Features, Moments
from models.samples import Sample, Split, empty
from models.scores import Scorer
from models.summary import ModelSummary, summary, untrained
from schemas.errors import ConfigError
from schemas.model_definitions import Model
from schemas.tags import MODEL_HEALTH, MODEL_SCORES, PARTIALS


@dataclass(frozen=True, slots=True)
class Prepared:
    """A model ready to publish: the files of its snapshot, its summary, and what scores with it.

    A model that the gate refused has no files and no scorer; the summary says why.
    """

    files: dict[str, bytes]
    summary: ModelSummary
    scorer: Scorer | None


def prepare_all(
    draft: Draft,
    definitions: Sequence[Model],
    kept: Path | None = None,
    features: Features = dataset.features,
) -> list[Prepared]:
    """Train and test every model as of the draft's date, publishing nothing.

    ``kept`` is the folder of snapshots, from which pinned versions are read; ``features`` may
    stand in place of ``dataset.features``. ConfigError where partials lack a feature or a pin
    does not fit; end with ``score``, which drops what this leaves in the session.
    """
    _require_measured(draft, definitions)
    pinned = {m.name: _pinned(draft, m, kept) for m in definitions if m.pinned is not None}
    if not definitions:
        return []
    if not draft.files(PARTIALS.name):
        return [_of_nobody(draft, model) for model in definitions]
    measured = [one for model in definitions for one in model.measured]
    with dataset.person_partials(draft, measured) as relation:
        moments = Moments(draft, relation, definitions, features)
        moments.keep_now()
        leaking = {
            day: leaks.shifted(moments, day)
            for day in sorted({_test_day(draft, model) for model in definitions})
        }
        found = [
            _prepare(moments, model, leaking[_test_day(draft, model)], pinned.get(model.name))
            for model in definitions
        ]
        moments.drop()
    return found


def score(
    draft: Draft, prepared: Sequence[Prepared], size: int = scores.BATCH
) -> list[ModelSummary]:
    """Write the scores and the health of all models of the draft's date, in place of any it had.

    A refused model has no scores. Returns the summaries in the order of ``prepared``.
    """
    session, found = draft.session, []
    scores.create(session)
    for one in prepared:
        told = one.summary
        if one.scorer is not None:
            told = dataclasses.replace(
                told, drift=scores.add_scores(session, one.scorer, NOW, size)
            )
        found.append(told)
    _write(draft, MODEL_SCORES.name, scores.published(draft.business_date.isoformat()), any(
        one.scorer is not None for one in prepared
    ))
    session.register("fresh_health", _health(draft.business_date, found))
    _write(draft, MODEL_HEALTH.name, "SELECT * FROM fresh_health ORDER BY ALL", bool(found))
    session.execute("DROP VIEW fresh_health")
    for table in (scores.FRESH, NOW):
        session.execute(f"DROP TABLE IF EXISTS {table}")
    return found


def _prepare(
    moments: Moments, definition: Model, leaking: Sequence[str], pinned: registry.Stored | None
) -> Prepared:
    day = moments.draft.business_date
    parts = training.split(moments, definition)
    if reasons := gate.too_small(definition.gate, parts):
        return Prepared({}, untrained(definition, day, parts, reasons), None)
    fitted = pinned.fitted if pinned else training.train(definition, parts)
    tested = training.test(definition, fitted, parts)
    known = leaks.leaking(moments, definition, list(leaking))
    limit = definition.gate.max_feature_auc
    known += [name for name in leaks.too_good(parts.train, limit) if name not in known]
    count, unknown = _counted_now(moments, definition, fitted, parts.train)
    reasons = gate.refusals(definition.gate, tested, known)
    if unknown:
        reasons.append(f"features that nobody has on {day}: " + ", ".join(unknown))
    told = summary(definition, day, parts, fitted, tested, reasons, count)
    if reasons:
        return Prepared({}, dataclasses.replace(told, is_pinned=pinned is not None), None)
    return _ready(moments, definition, fitted, parts, told, pinned)


def _of_nobody(draft: Draft, definition: Model) -> Prepared:
    """Before the first event there are no partials, and nobody to learn from."""
    nobody = empty(_test_day(draft, definition), training.features_of(definition))
    parts = Split(nobody, nobody, nobody)
    reasons = gate.too_small(definition.gate, parts)
    return Prepared({}, untrained(definition, draft.business_date, parts, reasons), None)


def _ready(
    moments: Moments, definition: Model, fitted: Fitted, parts: Split, told: ModelSummary,
    pinned: registry.Stored | None,
) -> Prepared:
    if pinned is not None:
        reference, files = pinned.reference, {}
        version = str(definition.pinned)
    else:
        reference = _reference(fitted, parts)
        files = _files(definition, fitted, reference, told)
        version = snapshots.version_of(files)
    told = dataclasses.replace(told, version=version, is_pinned=pinned is not None)
    columns = moments.columns_of(definition)
    scorer = Scorer(
        definition.name, version, fitted, {name: columns[name] for name in fitted.names},
        moments.column(definition.population), reference, definition.purpose,
        moments.draft.cut,
    )
    return Prepared(files, told, scorer)


def _files(
    definition: Model, fitted: Fitted, reference: dict[str, drift.Reference], told: ModelSummary
) -> dict[str, bytes]:
    stored = registry.Stored(
        registry.FORMAT, definition.name, told.business_date, fitted, reference
    )
    plain = {"model.json": stored, "summary.json": told.figures(),
             "card.json": card.card(definition, told)}
    files = {n: msgspec.json.format(msgspec.json.encode(one)) for n, one in plain.items()}
    return {**files, "card.md": card.markdown(definition, told).encode()}


def _reference(fitted: Fitted, parts: Split) -> dict[str, drift.Reference]:
    """How features were spread in training, and scores in the test, which they were not fitted to.
    """
    train, test = parts.train, parts.test
    found = {name: drift.reference(train.column(name)) for name in fitted.names}
    x = np.column_stack([test.column(name) for name in fitted.names])
    return {**found, "score": drift.reference(scores.score_of(predict(fitted, x)))}


def _counted_now(
    moments: Moments, definition: Model, fitted: Fitted, train: Sample
) -> tuple[int, list[str]]:
    """Persons to score, and features that training knew of some and nobody has today."""
    columns = moments.columns_of(definition)
    counts = ", ".join(f'count("{columns[name]}")' for name in fitted.names)
    wanted = scores.chosen(
        moments.column(definition.population), definition.purpose, moments.draft.cut
    )
    ((total, *known),) = moments.draft.session.rows(
        f"SELECT count(*), {counts} FROM {NOW} WHERE {wanted}"
    )
    unknown = [
        name for name, count in zip(fitted.names, known, strict=True)
        if not count and not np.isnan(train.column(name)).all()
    ]
    return int(str(total)), unknown


def _pinned(draft: Draft, definition: Model, kept: Path | None) -> registry.Stored:
    assert definition.pinned is not None
    if kept is None:
        raise ConfigError(
            f"{definition.name} is pinned, and no folder of snapshots is given",
            expected="the folder of snapshots", got="none", where=f"models/{definition.name}.yml",
        )
    found = registry.stored(kept, definition.name, definition.pinned)
    declared = training.features_of(definition)
    missing = training.scored_features(found.fitted, declared)
    wrong = found.business_date > draft.business_date or missing
    if wrong or not training.is_of_kind(definition, found.fitted):
        raise ConfigError(
            f"the pinned version {definition.pinned} does not fit {definition.name}",
            expected=f"a model that predicts {definition.predicts}, of {draft.business_date} or "
            "before, from features that are declared",
            got=f"one of {found.business_date}, {type(found.fitted).__name__}"
            + (f", that needs {', '.join(missing)}" if missing else ""),
            where=f"models/{definition.name}.yml, pinned",
            todo="pin another version, or declare the features as they were",
        )
    return found


def _require_measured(draft: Draft, definitions: Sequence[Model]) -> None:
    for model in definitions:
        missing = dataset.unmeasured(draft, model.measured)
        if missing:
            raise ConfigError(
                f"features of {model.name} are missing from the partials",
                expected="partials that hold every feature of every model",
                got="none of " + ", ".join(sorted(set(missing))),
                where=f"models/{model.name}.yml",
                todo="refresh the partials with this definition, then prepare the model",
            )


def _test_day(draft: Draft, definition: Model) -> date:
    return date.fromordinal(draft.business_date.toordinal() - definition.test_offset_days)


def _write(draft: Draft, name: str, query: str, is_any: bool) -> None:
    """Replace the date's rows; where there are none, only if there were some."""
    day = draft.business_date
    if is_any or day.isoformat() in {file.d for file in draft.files(name)}:
        draft.replace_dates(name, [day], query)


def _health(day: date, summaries: Sequence[ModelSummary]) -> pa.Table:
    rows: list[tuple[date, str, str | None, str, float | None, str]] = []
    for one in summaries:
        gated = "published" if one.is_published else "refused"
        rows.append((day, one.model, one.version or None, "gate", None, gated))
        rows += [
            (day, one.model, one.version, what if what == "score" else f"feature {what}", index,
             drift.status(index))
            for what, index in one.drift.items()
        ]
    columns = list(zip(*rows, strict=True)) or [()] * len(MODEL_HEALTH.schema)
    return pa.table(
        [pa.array(values, f.type) for values, f in zip(columns, MODEL_HEALTH.schema, strict=True)],
        schema=MODEL_HEALTH.schema,
    )
