"""What a release says of its models: which version scored, its card, and why a score is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake import snapshots
from lake.draft import Draft
from models import daily
from models.published import WHY, PublishedModel, explained, published
from schemas.errors import NotFoundError
from schemas.model_definitions import Model
from tests import tiny
from tests.models.conftest import small


@pytest.fixture(scope="module")
def kept(
    tmp_path_factory: pytest.TempPathFactory, bought: Draft, models: dict[str, Model]
) -> Path:
    """The folder of the churn model's snapshot; the value model is refused by its gate."""
    strict = small(models["value"], min_rows=10**6)
    prepared = daily.prepare_all(bought, [models["churn"], strict])
    daily.score(bought, prepared)
    root = tmp_path_factory.mktemp("published")
    snapshots.keep(root, "churn", prepared[0].files)
    return root


@pytest.fixture
def churn(bought: Draft, kept: Path) -> PublishedModel:
    return published(bought.session, kept, "churn")


def test_a_model_comes_with_its_figures_and_a_card_to_read(churn: PublishedModel) -> None:
    assert churn.business_date == tiny.DAY
    assert churn.summary["gain_low"] > 0
    assert churn.features["recency_days"].startswith("days_since in order_lines")
    assert churn._repr_markdown_() == churn.card
    assert churn.card.startswith("# churn")


def test_a_score_is_explained_by_the_features_that_moved_it_most(
    bought: Draft, churn: PublishedModel
) -> None:
    ((one_id, reasons),) = bought.session.rows(
        "SELECT one_id, reasons FROM model_scores ORDER BY probability DESC, one_id LIMIT 1"
    )
    found = explained(bought.session, churn, str(one_id))
    assert found.schema == WHY
    rows = found.to_pylist()
    assert [{n: row[n] for n in ("feature", "value", "contribution")} for row in rows] == reasons
    sizes = [abs(row["contribution"]) for row in rows]
    assert sizes == sorted(sizes, reverse=True)
    assert all(row["says"] == churn.features[row["feature"]] for row in rows)


def test_who_has_no_score_is_told_whom_the_model_scores(
    bought: Draft, churn: PublishedModel
) -> None:
    with pytest.raises(NotFoundError, match=r"no score of this person(.|\n)*its card says"):
        explained(bought.session, churn, "nobody")


@pytest.mark.parametrize(
    ("name", "todo"),
    [("value", "its gate refused it"), ("chrun", "did you mean `churn`"), ("x", "conf/base")],
)
def test_a_model_without_scores_is_told_with_the_reason(
    bought: Draft, kept: Path, name: str, todo: str
) -> None:
    with pytest.raises(NotFoundError, match="never published") as told:
        published(bought.session, kept, name)
    assert todo in told.value.todo
    assert told.value.expected == "one of churn"
