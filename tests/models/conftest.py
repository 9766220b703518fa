from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from lake import conf
from lake.draft import Draft
from pipelines.tags.measures import measures_of
from schemas.model_definitions import Feature, Model
from tests import tiny

PERSONS = 700
STEP_DAYS = 5  # purchases fall on every fifth date, so that there are few files


@pytest.fixture(scope="session")
def model() -> Model:
    """The sample's churn model with the features that a small world can fill."""
    (declared,) = conf.load("models", Model)
    kept = [f for f in declared.features if f.name.startswith(("recency", "orders_count", "ten"))]
    gate = msgspec.structs.replace(declared.gate, min_rows=100, max_calibration_error=0.1)
    return msgspec.structs.replace(declared, features=kept, gate=gate)


@pytest.fixture(scope="session")
def bought(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Iterator[Draft]:
    """Partials of persons who buy often or seldom, some of whom stopped one day."""
    with tiny.tiny_draft(tmp_path_factory.mktemp("models")) as draft:
        put_purchases(draft, model.features, seed=1)
        yield draft


def put_purchases(draft: Draft, features: list[Feature], seed: int) -> None:
    rng = np.random.default_rng(seed)
    ticks = 60
    rate = rng.beta(0.8, 2.0, PERSONS)
    stopped = np.where(rng.random(PERSONS) < 0.05, rng.integers(20, ticks + 1, PERSONS), ticks + 1)
    person, tick = np.nonzero(rng.random((PERSONS, ticks)) < rate[:, None])
    alive = tick < stopped[person]
    person, tick = person[alive], tick[alive]
    dates = [tiny.DAY - timedelta(days=int(ticks - 1 - t) * STEP_DAYS) for t in tick]
    rows = pa.table({"bundle_id": person, "d": pa.array(dates, pa.date32())})
    draft.session.register("bought_on", rows)
    parts = [
        f"SELECT bundle_id, d AS business_date, $${m.name}$$ AS measure, 1 AS count, "
        f"{100 if m.slot == 'sum' else 'NULL'} AS \"sum\", d AS first_at, d AS last_at, "
        f"NULL AS last_value, [bundle_id || ' ' || d] AS \"values\" FROM bought_on"
        for m in measures_of(features)
    ]
    draft.append("partials", " UNION ALL ".join(parts))
    tiny.put_persons(draft, {f"p{n:04}": [n] for n in range(PERSONS)})
