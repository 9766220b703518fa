from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from lake.draft import Draft
from lake.engines.duckdb import Session
from models import daily, drift, scores
from models.daily import prepare_all
from models.logistic import Logistic
from models.moments import NOW
from models.scores import Scorer
from schemas.model_definitions import Model
from tests import tiny

FITTED = Logistic(["a", "b"], ["none", "log"], [1.0, 0.0], [2.0, 1.0], [1.0, -3.0], 0.0, 1.0, 0.0)


def people(session: Session, count: int) -> Scorer:
    random = np.random.default_rng(1)
    a = random.normal(1, 2, count)
    a[::7] = np.nan
    session.register("given", pa.table({
        "row_no": np.arange(1, count + 1), "one_id": [f"p{n:07}" for n in range(count)],
        "f0": pa.array(a, mask=np.isnan(a)), "f1": random.exponential(1, count),
        "f2": (np.arange(count) % 3 > 0).astype(float),
    }))
    session.execute(f"CREATE TABLE {NOW} AS SELECT * FROM given")
    reference = {name: drift.reference(a) for name in ("a", "b", "score")}
    return Scorer("m", "v", FITTED, {"a": "f0", "b": "f1"}, "f2", reference)


def rows_of(session: Session, scorer: Scorer, size: int) -> list[tuple[object, ...]]:
    scores.create(session)
    scores.add_scores(session, scorer, NOW, size)
    return session.rows(f"SELECT * FROM {scores.FRESH} ORDER BY one_id")


def test_the_size_of_batches_changes_no_score(bought: Draft, models: dict[str, Model]) -> None:
    found = []
    for size in (100, 10**6):
        told = daily.score(bought, prepare_all(bought, list(models.values())), size)
        rows = bought.session.rows("SELECT * FROM model_scores ORDER BY model, one_id")
        found.append(([one.drift for one in told], rows))
    assert found[0] == found[1]


def test_persons_come_in_batches_and_only_those_of_the_population(tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        scorer = people(session, 1000)
        sizes = [part.num_rows for part in scores.batches(session, scorer, NOW, 300)]
        assert sizes == [200, 200, 200, 66]
        assert rows_of(session, scorer, 300) == rows_of(session, scorer, 10**6)


def test_reasons_are_the_strongest_contributions_with_their_values(tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        scorer = people(session, 40)
        for *_, probability, _, _, _, reasons in rows_of(session, scorer, 10):
            odds = sum(reason["contribution"] for reason in reasons)
            assert probability == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-4)
            sizes = [abs(reason["contribution"]) for reason in reasons]
            assert sizes == sorted(sizes, reverse=True)
        unknown = [r for *_, reasons in rows_of(session, scorer, 10) for r in reasons
                   if r["value"] is None]
        assert unknown
        assert {r["contribution"] for r in unknown} == {0.0}


def test_rows_of_a_date_have_the_columns_of_the_table(bought: Draft) -> None:
    day = date(2017, 6, 30).isoformat()
    scores.create(bought.session)
    found = bought.session.table(scores.published(day))
    assert found.column_names[1:] == scores.SCHEMA.names


def test_a_model_for_advertising_scores_only_who_has_allowed_it(tmp_path: Path) -> None:
    with tiny.tiny_draft(tmp_path) as draft:
        scorer = dataclasses.replace(people(draft.session, 60), purpose="advertising")
        tiny.put_persons(draft, {f"p{n:07}": [n] for n in range(60)})
        said = [(1, "granted", 3), (2, "granted", 3), (2, "withdrawn", 1), (4, "granted", 2)]
        tiny.put_consents(draft, [
            (bundle, tiny.at(days_ago), "advertising", "any", status)
            for bundle, status, days_ago in said
        ])
        found = rows_of(draft.session, scorer, 100)
        assert [row[2] for row in found] == ["p0000001", "p0000004"]
        earlier = dataclasses.replace(scorer, cut=draft.cut - timedelta(days=3))
        draft.session.execute(f"DROP TABLE {scores.FRESH}")
        assert [row[2] for row in rows_of(draft.session, earlier, 100)] == [
            "p0000001", "p0000002"
        ]
