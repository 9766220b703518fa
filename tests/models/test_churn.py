"""The churn model: split by time, behind its gate, the same on every run."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from sqlglot import exp, parse_one

from lake import conf, snapshots
from lake.draft import Draft
from models import churn, logistic, registry
from models.dataset import Column, dataset, feature_columns
from models.leaks import shifted, too_good
from models.logistic import predict
from pipelines.tags import declared, publish_tags, refresh_partials
from pipelines.tags.measures import measure_of
from pipelines.tags.partials import drop_person_partials, keep_person_partials
from schemas.model_definitions import Model
from schemas.tag_definitions import TagFile
from tests import tiny


def scored(draft: Draft) -> list[tuple[object, ...]]:
    return draft.session.rows("SELECT one_id, probability FROM model_scores ORDER BY one_id")


def test_a_good_model_passes_beats_recency_and_scores_who_bought_in_ninety_days(
    bought: Draft, model: Model
) -> None:
    prepared = churn.prepare(bought, model)
    (summary,) = churn.score(bought, [prepared])
    assert summary.refusals == []
    assert summary.auc > summary.auc_baseline + model.gate.margin_auc
    assert sum(b.count for b in summary.calibration) == summary.count_test
    since = tiny.DAY - timedelta(days=89)
    buyers = bought.session.rows(
        f"SELECT DISTINCT printf('p%04d', bundle_id) FROM partials WHERE business_date >= '{since}'"
    )
    assert {one for one, _ in scored(bought)} == {one for (one,) in buyers}
    assert summary.count_scored == len(buyers)


def test_the_same_content_gives_the_same_model_to_the_last_byte(
    bought: Draft, model: Model
) -> None:
    first, second = churn.prepare(bought, model), churn.prepare(bought, model)
    assert sorted(first.files) == ["model.json", "summary.json"]
    assert first.files == second.files
    assert first.scores.equals(second.scores)


def test_two_models_are_scored_side_by_side_and_a_refused_one_takes_nothing_away(
    bought: Draft, model: Model
) -> None:
    def counts() -> dict[object, object]:
        rows = bought.session.rows("SELECT model, count(*) FROM model_scores GROUP BY model")
        return dict(rows)  # type: ignore[arg-type]

    first = churn.prepare(bought, model)
    second = churn.prepare(bought, msgspec.structs.replace(model, name="tea's"))
    told = churn.score(bought, [first, second])
    assert [one.model for one in told] == ["churn", "tea's"]
    assert counts() == {one.model: one.count_scored for one in told}
    strict = msgspec.structs.replace(model.gate, min_rows=10**6)
    refused = churn.prepare(bought, msgspec.structs.replace(model, name="tea's", gate=strict))
    churn.score(bought, [first, refused])
    assert counts() == {"churn": told[0].count_scored}
    churn.score(bought, [])
    assert counts() == {}


def test_predictive_tags_come_from_the_scores(bought: Draft, model: Model) -> None:
    churn.score(bought, [churn.prepare(bought, model)])
    (file,) = [f for f in conf.load("tags", TagFile) if f.tags[0].kind == "predictive"]
    publish_tags(bought, declared([file]))
    known: dict[object, object] = dict(scored(bought))  # type: ignore[arg-type]
    for one_id, row in tiny.tag_rows(bought).items():
        assert row["churn_probability"] == known.get(one_id)
        if one_id in known:
            assert row["is_churn_risk_high"] is (known[one_id] >= 0.6)  # type: ignore[operator]
        else:
            assert row["is_churn_risk_high"] is None


def test_a_model_that_does_not_beat_recency_is_refused_and_leaves_the_tags_unknown(
    bought: Draft, model: Model
) -> None:
    recency = [f for f in model.features if f.name in ("recency_days", "orders_count_7d")]
    useless = msgspec.structs.replace(model, features=recency)
    prepared = churn.prepare(bought, useless)
    (summary,) = churn.score(bought, [prepared])
    assert len(summary.refusals) == 1
    assert "does not beat the baseline's" in summary.refusals[0]
    assert prepared.files == {}
    assert scored(bought) == []


def test_too_few_persons_are_a_reason_and_no_crash(tmp_path: Path, model: Model) -> None:
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_persons(draft, {"p": [1]})
        (summary,) = churn.score(draft, [churn.prepare(draft, model)])
        assert scored(draft) == []
    assert summary.refusals == [
        f"0 persons for {part}, 100 needed" for part in ("training", "calibration", "test")
    ]


def future_purchases(definition: Model, day: date) -> dict[str, Column]:
    """The declared features and one that looks thirty days ahead."""
    name = exp.Literal.string(measure_of(definition.event).name).sql()
    ahead = f"COUNT(*) FILTER (WHERE measure = {name} AND business_date > DATE '{day}')"
    return feature_columns(definition, day) | {"planted": parse_one(ahead, dialect="duckdb")}


@pytest.mark.rule("CDP-6")
def test_a_planted_leak_is_found_and_nothing_is_published(bought: Draft, model: Model) -> None:
    prepared = churn.prepare(bought, model, future_purchases)
    (summary,) = churn.score(bought, [prepared])
    assert summary.auc > 0.95
    assert summary.refusals[0] == "features that know the future: planted"
    assert prepared.files == {}
    assert scored(bought) == []


def test_a_feature_that_separates_too_well_is_a_leak_even_if_time_does_not_show_it(
    bought: Draft, model: Model
) -> None:
    relation = keep_person_partials(bought)
    day = tiny.DAY - timedelta(days=model.test_offset_days)
    data = dataset(bought.session, relation, model, day)
    assert shifted(bought.session, relation, model, data) == []
    drop_person_partials(bought)
    assert too_good(data, 0.95) == []
    told = type(data)(
        data.day, data.one_ids, [*data.names, "told"], np.column_stack([data.x, data.y]), data.y
    )
    assert too_good(told, 0.95) == ["told"]


def test_features_end_with_the_snapshot_and_the_outcome_starts_after(
    tmp_path: Path, model: Model
) -> None:
    day = tiny.DAY - timedelta(days=30)
    bought_on = {"on_the_day": [30], "next_day": [35, 29], "last_day": [35, 0], "before": [119]}
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_persons(draft, {name: [n] for n, name in enumerate(bought_on)} | {"old": [9]})
        lines = [
            (n, tiny.at(ago), f"o{n}-{ago}", 5)
            for n, days in enumerate(bought_on.values())
            for ago in days
        ]
        tiny.put_lines(draft, [*lines, (9, tiny.at(120), "old", 5)])
        refresh_partials(draft, [model.event, *model.features])
        relation = keep_person_partials(draft)
        data = dataset(draft.session, relation, model, day)
        drop_person_partials(draft)
    assert data.one_ids == ["before", "last_day", "next_day", "on_the_day"]
    assert data.y.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert data.column("recency_days").tolist() == [89.0, 5.0, 5.0, 0.0]
    assert data.column("orders_count_90d").tolist() == [1.0, 1.0, 1.0, 1.0]


def test_a_snapshot_holds_numbers_and_figures_that_score_alike(
    tmp_path: Path, bought: Draft, model: Model
) -> None:
    prepared = churn.prepare(bought, model)
    version = snapshots.keep(tmp_path, "churn", prepared.files)
    snapshots.point(tmp_path, "churn", version)
    assert version == prepared.summary.version
    fitted = registry.read(tmp_path, "churn")
    relation = keep_person_partials(bought)
    now = dataset(bought.session, relation, model, tiny.DAY)
    drop_person_partials(bought)
    assert predict(fitted, now.x).tolist() == prepared.scores["probability"].to_pylist()
    figures = registry.summary(tmp_path, "churn")
    assert figures["auc"] == prepared.summary.auc
    assert json.loads(prepared.files["model.json"])["names"] == fitted.names


def test_an_unknown_feature_counts_as_the_mean() -> None:
    fitted = logistic.Fitted(["a"], ["none"], [2.0], [1.0], [3.0], 0.0, 1.0, 0.0)
    assert predict(fitted, np.array([[np.nan], [2.0]])).tolist() == [0.5, 0.5]
