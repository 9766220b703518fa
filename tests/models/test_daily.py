"""The models of a release: split by time, behind their gates, the same on every run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lake import conf, snapshots
from lake.draft import Draft
from models import daily, dataset
from models.daily import Prepared, prepare_all
from pipelines.tags import declared, publish_tags, refresh_partials
from schemas.errors import ConfigError
from schemas.model_definitions import Feature, Model
from schemas.tag_definitions import TagFile
from tests import tiny
from tests.models.conftest import days_before, small


def scored(draft: Draft, columns: str = "model, one_id, probability") -> list[tuple[Any, ...]]:
    return draft.session.rows(f"SELECT {columns} FROM model_scores ORDER BY model, one_id")


def counts(draft: Draft) -> dict[Any, Any]:
    rows = draft.session.rows("SELECT model, count(*) FROM model_scores GROUP BY model")
    return {str(model): int(str(count)) for model, count in rows}


def one(draft: Draft, model: Model, **given: Any) -> Prepared:
    (found,) = prepare_all(draft, [model], **given)
    return found


def test_all_four_models_pass_and_say_what_their_kind_says(
    bought: Draft, models: dict[str, Model]
) -> None:
    told = daily.score(bought, prepare_all(bought, list(models.values())))
    assert {one.model: one.refusals for one in told} == dict.fromkeys(models, [])
    assert counts(bought) == {one.model: one.count_scored for one in told}
    kinds = bought.session.rows(
        "SELECT model, count(label) > 0, count(purchases) > 0, count(amount) > 0, "
        "min(len(reasons)) FROM model_scores GROUP BY model ORDER BY model"
    )
    assert kinds == [
        ("churn", False, False, False, 3),
        ("next_category", True, False, False, 3),
        ("purchase", False, False, False, 3),
        ("value", False, True, True, 3),
    ]


def test_churn_scores_who_bought_in_ninety_days_and_beats_recency(
    bought: Draft, models: dict[str, Model]
) -> None:
    (summary,) = daily.score(bought, [one(bought, models["churn"])])
    assert summary.auc > summary.auc_baseline + 0.02
    assert summary.gain_low < summary.gain < summary.gain_high
    assert sum(b.count for b in summary.calibration) == summary.count_test
    buyers = bought.session.rows(
        "SELECT DISTINCT printf('p%04d', bundle_id) FROM order_lines "
        f"WHERE business_date >= '{days_before(89)}'"
    )
    assert {person for _, person, _ in scored(bought)} == {person for (person,) in buyers}


def test_the_same_content_gives_the_same_models_to_the_last_byte(
    bought: Draft, models: dict[str, Model]
) -> None:
    def run() -> tuple[list[dict[str, bytes]], list[tuple[Any, ...]]]:
        prepared = prepare_all(bought, list(models.values()))
        daily.score(bought, prepared)
        return [one.files for one in prepared], scored(bought, "* EXCLUDE (reasons), reasons")

    first, second = run(), run()
    assert first == second
    assert all(
        sorted(f) == ["card.json", "card.md", "model.json", "summary.json"] for f in first[0]
    )


def test_a_model_is_the_same_alone_and_among_others(
    bought: Draft, models: dict[str, Model]
) -> None:
    together = dict(zip(models, prepare_all(bought, list(models.values())), strict=True))
    assert one(bought, models["next_category"]).files == together["next_category"].files


def test_persons_drawn_for_training_do_not_depend_on_the_other_models(
    bought: Draft, models: dict[str, Model]
) -> None:
    few = msgspec.structs.replace(models["churn"], sample_persons=400)
    alone = one(bought, few)
    assert alone.summary.count_test < one(bought, models["churn"]).summary.count_test
    assert alone.summary.count_test > 100
    assert prepare_all(bought, [few, models["value"]])[0].files == alone.files


def test_a_refused_model_takes_nothing_from_the_others_and_leaves_its_health(
    bought: Draft, models: dict[str, Model]
) -> None:
    daily.score(bought, prepare_all(bought, [models["churn"], models["value"]]))
    strict = small(models["churn"], min_rows=10**6)
    (refused, value) = daily.score(bought, prepare_all(bought, [strict, models["value"]]))
    assert counts(bought) == {"value": value.count_scored}
    gates = bought.session.rows(
        "SELECT model, status, version FROM model_health WHERE what = 'gate' ORDER BY model"
    )
    assert gates == [("churn", "refused", None), ("value", "published", value.version)]
    daily.score(bought, [])
    assert counts(bought) == {}


def test_predictive_tags_come_from_the_scores(bought: Draft, models: dict[str, Model]) -> None:
    daily.score(bought, [one(bought, models["churn"])])
    (file,) = [f for f in conf.load("tags", TagFile) if f.tags[0].model == "churn"]
    publish_tags(bought, declared([file]))
    known = {person: chance for _, person, chance in scored(bought)}
    for one_id, row in tiny.tag_rows(bought).items():
        assert row["churn_probability"] == known.get(one_id)


def test_a_model_that_does_not_beat_recency_is_refused_and_leaves_the_tags_unknown(
    bought: Draft, models: dict[str, Model]
) -> None:
    churn = small(models["churn"], margin=0.02, max_calibration_error=0.3)
    recency = [f for f in churn.features if f.name in ("recency_days", "orders_count_7d")]
    prepared = one(bought, msgspec.structs.replace(churn, features=recency))
    (summary,) = daily.score(bought, [prepared])
    assert len(summary.refusals) == 1
    assert "does not beat the baseline's" in summary.refusals[0]
    assert prepared.files == {}
    assert scored(bought) == []


def test_too_few_persons_are_a_reason_and_no_crash(
    tmp_path: Path, models: dict[str, Model]
) -> None:
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_persons(draft, {"p": [1]})
        refresh_partials(draft, [f for model in models.values() for f in model.measured])
        told = daily.score(draft, prepare_all(draft, list(models.values())))
        assert scored(draft) == []
    for summary in told:
        assert summary.refusals == [
            f"0 persons for {part}, 100 needed" for part in ("training", "calibration", "test")
        ]


@pytest.mark.rule("CDP-6")
def test_a_planted_leak_is_found_and_nothing_is_published(
    bought: Draft, models: dict[str, Model]
) -> None:
    churn = models["churn"]

    def peeking(relation: str, wanted: Mapping[str, Feature], day: date) -> str:
        told = dataset.features(relation, wanted, day)
        name = next(key for key, f in wanted.items() if f.name == "orders_count_7d")
        ahead = dataset.outcome(relation, churn.event, day, 30)
        return f'SELECT * REPLACE (one_id IN ({ahead}) AS "{name}") FROM ({told})'

    prepared = one(bought, churn, features=peeking)
    (summary,) = daily.score(bought, [prepared])
    assert summary.auc > 0.95
    assert summary.refusals[0] == "features that know the future: orders_count_7d"
    assert prepared.files == {}
    assert scored(bought) == []


def test_a_leak_in_who_is_scored_is_found_too(bought: Draft, models: dict[str, Model]) -> None:
    def of_tomorrow(relation: str, wanted: Mapping[str, Feature], day: date) -> str:
        return dataset.features(relation, wanted, min(tiny.DAY, date.fromordinal(
            day.toordinal() + 5
        )))

    (refusal, *_) = one(bought, models["churn"], features=of_tomorrow).summary.refusals
    assert "purchased_90d (who is scored)" in refusal


def test_a_feature_that_partials_do_not_hold_stops_with_its_name(
    bought: Draft, models: dict[str, Model]
) -> None:
    strange = msgspec.convert(
        {"name": "stores", "from": "order_lines", "measure": "distinct_count",
         "field": "store_id", "window": "ever"}, Feature,
    )
    churn = models["churn"]
    asking = msgspec.structs.replace(churn, features=[*churn.features, strange])
    with pytest.raises(ConfigError, match="features of churn are missing") as told:
        prepare_all(bought, [models["value"], asking])
    assert "stores" in told.value.got
    assert told.value.where == "models/churn.yml"


def test_a_feature_that_nobody_has_today_refuses_the_model_alone(
    bought: Draft, models: dict[str, Model]
) -> None:
    def without_tenure_today(relation: str, wanted: Mapping[str, Feature], day: date) -> str:
        told = dataset.features(relation, wanted, day)
        name = next(key for key, f in wanted.items() if f.name == "tenure_days")
        return told if day != tiny.DAY else f'SELECT * REPLACE (NULL AS "{name}") FROM ({told})'

    (refusal,) = one(bought, models["churn"], features=without_tenure_today).summary.refusals
    assert refusal == "features that nobody has on 2017-06-30: tenure_days"


@pytest.mark.parametrize("name", ["churn", "next_category", "purchase", "value"])
def test_a_pinned_version_scores_in_place_of_a_new_one(
    tmp_path: Path, bought: Draft, models: dict[str, Model], name: str
) -> None:
    first = one(bought, models[name])
    version = snapshots.keep(tmp_path, name, first.files)
    assert version == first.summary.version
    # Another definition would train another model; the pin keeps the first.
    changed = {"churn": {"train_offsets_days": [90]}, "purchase": {"train_offsets_days": [90]}}
    other = msgspec.structs.replace(models[name], pinned=version, **changed.get(name, {}))
    (again,) = daily.score(bought, [prepared := one(bought, other, kept=tmp_path)])
    assert prepared.files == {}
    assert (again.version, again.is_pinned) == (version, True)
    pinned = scored(bought, "* EXCLUDE (reasons), reasons")
    daily.score(bought, [one(bought, models[name])])
    assert pinned == scored(bought, "* EXCLUDE (reasons), reasons")


def test_a_pin_that_does_not_fit_is_refused_before_anything_is_written(
    tmp_path: Path, bought: Draft, models: dict[str, Model]
) -> None:
    first = one(bought, models["churn"])
    version = snapshots.keep(tmp_path, "churn", first.files)
    fewer = msgspec.structs.replace(
        models["churn"], pinned=version, features=models["churn"].features[:-1]
    )
    with pytest.raises(ConfigError, match="does not fit churn") as told:
        prepare_all(bought, [fewer], tmp_path)
    assert "that needs tenure_days" in told.value.got
    snapshots.keep(tmp_path, "value", first.files)
    with pytest.raises(ConfigError, match="does not fit value"):
        prepare_all(
            bought, [msgspec.structs.replace(models["value"], pinned=version)], tmp_path
        )


def test_a_pinned_version_of_a_later_date_knows_the_future(
    tmp_path: Path, bought: Draft, models: dict[str, Model]
) -> None:
    files = one(bought, models["churn"]).files
    later = {**files, "model.json": files["model.json"].replace(b"2017-06-30", b"2017-07-01")}
    pinned = msgspec.structs.replace(
        models["churn"], pinned=snapshots.keep(tmp_path, "churn", later)
    )
    with pytest.raises(ConfigError, match="does not fit") as told:
        prepare_all(bought, [pinned], tmp_path)
    assert "2017-07-01" in told.value.got
