"""Identity on small sample worlds keeps the bars; tests/proofs measures the whole world."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines.identity.measured import measure, shortfalls, table


@pytest.mark.prove
@pytest.mark.rule("CDP-4")
def test_small_worlds_of_three_seeds_keep_the_bars_together(tmp_path: Path) -> None:
    worlds = [measure(tmp_path / str(seed), seed, "basic", households=250) for seed in (1, 2, 3)]
    for found in worlds:
        print(table(found))  # noqa: T201
        published, *plainer = found.evaluation.methods
        assert all((one.precision or 0) < (published.precision or 0) for one in plainer)
    # Of the 12 to 90 instances of a trap one more or less is chance.
    assert shortfalls(worlds, 0.995, by_chance=1) == []
