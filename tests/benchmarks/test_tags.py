"""The benchmark of tags runs, its plans agree, and its figures have the agreed shape."""

from __future__ import annotations

import json

import pytest

from benchmarks import _tags_world, tags


def test_there_are_thirty_tags() -> None:
    assert len(_tags_world.tags()) == 30


@pytest.mark.prove
def test_the_query_by_hand_and_both_plans_give_the_same(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "QUICK", (200, 60, 20))
    tags.main(["--quick", "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["benchmark", "machine", "comparisons"]
    assert [one["bar"] for one in found["comparisons"]] == [0.769, 4, 4, 0.909]
    assert all(one["holds"] is (one["ratio"] >= one["bar"]) for one in found["comparisons"])
