"""Both plans of an audience give the same members, and those that a loop over persons gives."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.oracles.audiences_oracle import members
from tests.pipelines.audiences import worlds

SEEDS = [*range(2), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))]


@pytest.mark.rule("CDP-7")
@pytest.mark.parametrize("seed", SEEDS)
def test_sql_and_bitmaps_choose_whom_a_loop_chooses(tmp_path: Path, seed: int) -> None:
    world, draw = worlds.some_world(seed), random.Random(seed)
    for number in range(10 if seed < 2 else 25):
        name = f"a{number}"
        world.audiences[name] = worlds.some_audience(draw, name, list(world.audiences)[-4:])
    with worlds.put(world, tmp_path) as (draft, bitmaps):
        selector = worlds.selector(draft, bitmaps, world)
        for name, audience in world.audiences.items():
            wanted = members(world, audience)
            rows = draft.session.rows(selector.query(name))
            assert {number for _, number in rows} == wanted, audience
            assert len(rows) == len(wanted)
            assert selector.count(audience) == len(wanted)
            assert set(selector.members(name)) == wanted, audience
