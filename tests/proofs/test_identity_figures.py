"""Identity on the whole sample world, three seeds, both sets of traps: every figure and its bar."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.world import Traps
from tests.pipelines.identity.measured import measure, shortfalls, table


@pytest.mark.prove
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("traps", "least"), [("basic", 0.995), ("all", 0.99)])
def test_identity_keeps_its_bars_on_the_whole_world(
    tmp_path: Path, traps: Traps, least: float, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    found = measure(tmp_path, seed, traps, households=None)
    with capsys.disabled():
        print(f"\n## {traps}, seed {seed}\n{table(found)}")  # noqa: T201
    assert shortfalls([found], least) == []
