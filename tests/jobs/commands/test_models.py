"""``guiyi model`` and ``guiyi explain score`` over the sample lake."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lake.store import Lake
from tests.lakes import guiyi


def told(lake: Lake, *words: str) -> Any:
    done = guiyi(*words, "--format", "json", data=lake.root)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.rule("CDP-6")
def test_a_model_tells_its_version_its_card_its_health_and_a_persons_reasons(
    sample_lake: Lake,
) -> None:
    listed = {one["model"]: one for one in told(sample_lake, "model", "list")["models"]}
    assert set(listed) == {"churn", "next_category", "purchase", "value"}
    name = next(name for name, one in listed.items() if one["published"])
    versions = told(sample_lake, "model", "versions", name)["versions"]
    assert [one["version"] for one in versions if one["is_current"]] == [listed[name]["version"]]
    assert told(sample_lake, "model", "card", name)["model"] == name
    health = told(sample_lake, "model", "health", name)["health"]
    assert {one["what"] for one in health} >= {"gate", "score"}
    with sample_lake.reader() as session:
        ((one_id,),) = session.rows(
            f"SELECT min(one_id) FROM model_scores WHERE model = '{name}'"
        )
    reasons = told(sample_lake, "explain", "score", str(one_id), name)["reasons"]
    assert reasons
    assert set(reasons[0]) >= {"feature", "value", "contribution"}


def test_a_model_that_nobody_declared_is_named_with_those_that_are(sample_lake: Lake) -> None:
    done = guiyi("model", "card", "nothing", data=sample_lake.root)
    assert done.returncode == 2
    assert "churn" in done.stderr
