"""An error in the definition of a model names its file and its line."""

from __future__ import annotations

import pytest

from domain.definitions import parse
from lake import conf
from schemas.errors import ConfigError
from schemas.model_definitions import Model


def text_of(name: str) -> str:
    (path,) = [p for p in conf.paths("models") if p.stem == name]
    return path.read_text(encoding="utf-8")


def test_four_models_come_with_the_sample() -> None:
    found = {model.name: model.predicts for model in conf.load("models", Model)}
    assert found == {
        "churn": "absence", "next_category": "category", "purchase": "presence", "value": "value",
    }


@pytest.mark.parametrize(
    ("name", "change", "line", "told"),
    [
        ("churn", ("baseline: recency_days", "baseline: luck"), "baseline: luck", "none of the"),
        ("churn", ("predicts: absence", "predicts: value"), "predicts: value", "has a `baseline`"),
        ("churn", ("test_offset_days: 30", "test_offset_days: 29"), "test_offset_days: 29",
         "not known yet"),
        ("churn", ("calibration_offset_days: 60", "calibration_offset_days: 59"),
         "calibration_offset_days: 59", "end on the test snapshot"),
        ("churn", ("[90, 120]", "[]"), "train_offsets_days: []", "learn from outcomes"),
        ("churn", ("horizon_days: 30", "horizon_days: -1"), "horizon_days: -1", ">= 1"),
        ("churn", ("min_rows: 200", "min_rows: 200\npinned: newest"), "pinned: newest", "regex"),
        ("value", ("max_amount_error: 0.2", ""), "gate:", "max_amount_error"),
        ("value", ("days: purchase_days", "days: visits"), "purchases:", "'visits' is none"),
        ("next_category", ("BEEF, ", "BEEF, BEEF, "), "classes:", "twice"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    name: str, change: tuple[str, str], line: str, told: str
) -> None:
    text = text_of(name).replace(*change, 1)
    number = next(n for n, one in enumerate(text.splitlines(), 1) if line in one)
    with pytest.raises(ConfigError) as error:
        parse(text, "models/x.yml", Model)
    assert told in str(error.value)
    assert error.value.where.startswith((f"models/x.yml:{number} ", f"models/x.yml:{number + 1} "))
    assert error.value.expected

