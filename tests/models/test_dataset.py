"""What is known ends with the snapshot's day, what comes starts after it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lake.draft import Draft
from models import dataset, training
from models.leaks import shifted
from models.moments import Moments
from pipelines.tags import refresh_partials
from schemas.model_definitions import Feature, Model
from tests import tiny
from tests.models.conftest import days_before


def measured(models: dict[str, Model]) -> list[Feature]:
    return [feature for model in models.values() for feature in model.measured]


@pytest.fixture
def edges(tmp_path: Path, models: dict[str, Model]) -> Iterator[Draft]:
    """Persons who bought on the borders of the snapshot of thirty days ago."""
    bought_on = {"on_the_day": [30], "next_day": [35, 29], "last_day": [35, 0], "before": [119]}
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_products(draft)
        tiny.put_persons(draft, {name: [n] for n, name in enumerate(bought_on)} | {"old": [9]})
        lines = [
            (n, tiny.at(ago), f"o{n}-{ago}", 5, "P-COFFEE" if ago < 30 else "P-TEA")
            for n, days in enumerate(bought_on.values())
            for ago in days
        ]
        tiny.put_lines(draft, [*lines, (9, tiny.at(120), "old", 5)])
        refresh_partials(draft, measured(models))
        yield draft


def test_features_end_with_the_snapshot_and_the_outcome_starts_after(
    edges: Draft, models: dict[str, Model]
) -> None:
    churn, value, category = (models[name] for name in ("churn", "value", "next_category"))
    with dataset.person_partials(edges, measured(models)) as relation:
        moments = Moments(edges, relation, [churn, value, category])
        moments.keep_now()
        test = training.split(moments, churn).test
        worth = training.split(moments, value).test
        choice = training.split(moments, category).test
        assert shifted(moments, days_before(30)) == []
        moments.drop()
    assert test.one_ids == ["before", "last_day", "next_day", "on_the_day"]
    assert test.y.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert test.column("recency_days").tolist() == [89.0, 5.0, 5.0, 0.0]
    assert test.column("orders_count_90d").tolist() == [1.0, 1.0, 1.0, 1.0]
    assert worth.one_ids == ["before", "last_day", "next_day", "old", "on_the_day"]
    assert worth.y.tolist() == [[0, 0], [1, 5], [1, 5], [0, 0], [0, 0]]
    assert choice.one_ids == ["last_day", "next_day"]
    assert choice.y.tolist() == [0.0, 0.0]
    assert choice.column("main_45d TEA").tolist() == [1.0, 1.0]
    assert choice.column("main_45d COFFEE").tolist() == [0.0, 0.0]


def test_models_that_ask_the_same_share_a_column(
    edges: Draft, models: dict[str, Model]
) -> None:
    with dataset.person_partials(edges, measured(models)) as relation:
        moments = Moments(edges, relation, list(models.values()))
        churn, value = (moments.columns_of(models[name]) for name in ("churn", "value"))
        assert churn["recency_days"] == value["recency_days"]
        assert churn["orders_count_30d"] != churn["orders_count_90d"]
        moments.drop()
