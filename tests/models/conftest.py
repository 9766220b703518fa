from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest

from lake import conf
from lake.draft import Draft
from pipelines.tags import refresh_partials
from schemas.model_definitions import Choice, Model
from tests import tiny

PERSONS = 700
TICKS, STEP_DAYS = 60, 5  # purchases fall on every fifth date, so that there are few files
SMALL = {"margin": 0.005, "min_rows": 100, "max_calibration_error": 0.1, "max_feature_auc": 0.98}


def small(model: Model, **gate: Any) -> Model:
    """A declared model without what a world of purchases alone cannot fill."""
    kept = [f for f in model.features if f.source == "order_lines" and "coffee" not in f.name]
    given = {"features": kept, "among": None if model.predicts == "presence" else model.among}
    if model.predicts == "presence":
        given["event"] = msgspec.structs.replace(
            model.event, name="bought_90d", window=msgspec.convert({"last": "90 d"}, _window())
        )
    if model.choice is not None:
        given["choice"] = Choice("category", ["COFFEE", "TEA"], [180, 45])
    gate = SMALL | ({"max_amount_error": 0.3} if model.predicts == "value" else {}) | gate
    return msgspec.structs.replace(model, gate=msgspec.structs.replace(model.gate, **gate), **given)


def _window() -> Any:
    from schemas.measured import Measured

    return next(f.type for f in msgspec.structs.fields(Measured) if f.name == "window")


@pytest.fixture(scope="session")
def models() -> dict[str, Model]:
    """The sample's four models as a small world can fill them."""
    return {model.name: small(model) for model in conf.load("models", Model)}


@pytest.fixture(scope="session")
def bought(
    tmp_path_factory: pytest.TempPathFactory, models: dict[str, Model]
) -> Iterator[Draft]:
    """Persons who buy tea or coffee often or seldom, some of whom stopped one day."""
    with tiny.tiny_draft(tmp_path_factory.mktemp("models")) as draft:
        tiny.put_products(draft)
        put_purchases(draft, seed=1)
        tiny.put_persons(draft, {f"p{n:04}": [n] for n in range(PERSONS)})
        refresh_partials(draft, [f for model in models.values() for f in model.measured])
        yield draft


def put_purchases(draft: Draft, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rate = rng.beta(0.8, 2.0, PERSONS)
    # Tastes change: what was bought lately tells more than what was bought most.
    taste, later = rng.beta(0.5, 0.5, PERSONS), rng.beta(0.5, 0.5, PERSONS)
    turned = rng.integers(0, TICKS, PERSONS)
    usual = rng.lognormal(8, 0.8, PERSONS)
    stopped = np.where(rng.random(PERSONS) < 0.05, rng.integers(20, TICKS + 1, PERSONS), TICKS + 1)
    person, tick = np.nonzero(rng.random((PERSONS, TICKS)) < rate[:, None])
    alive = tick < stopped[person]
    lines = []
    for n, (one, at) in enumerate(zip(person[alive].tolist(), tick[alive].tolist(), strict=True)):
        likes_tea = taste[one] if at < turned[one] else later[one]
        product = "P-TEA" if rng.random() < likes_tea else "P-COFFEE"
        paid = int(usual[one] * rng.gamma(4, 0.25)) + 1
        lines.append((one, tiny.at((TICKS - 1 - at) * STEP_DAYS), f"o{n}", paid, product))
    tiny.put_lines(draft, lines)


def days_before(days: int) -> Any:
    return tiny.DAY - timedelta(days=days)
