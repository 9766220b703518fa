"""Both plans of an audience give the same members, and those that a loop over persons gives."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracles.audiences_oracle import members
from tests.pipelines.audiences import worlds

drawn = given(
    seed=st.integers(0, 2**32), persons=st.integers(12, worlds.PERSONS), count=st.integers(1, 6),
    # Each choice is drawn, so that a tree that fails shrinks; true to its seed it would not.
    draw=st.randoms(use_true_random=False),
)


def agree(
    root: Path, seed: int, persons: int, count: int, draw: random.Random
) -> None:
    """Over one random world, the members of random audiences, some of which stand on others."""
    world = worlds.some_world(seed, persons)
    for number in range(count):
        name = f"a{number}"
        world.audiences[name] = worlds.some_audience(draw, name, list(world.audiences)[-4:])
    with TemporaryDirectory(dir=root) as folder, worlds.put(world, Path(folder)) as put:
        draft, bitmaps = put
        selector = worlds.selector(draft, bitmaps, world)
        for name, audience in world.audiences.items():
            wanted = members(world, audience)
            rows = draft.session.rows(selector.query(name))
            assert {number for _, number in rows} == wanted, audience
            assert len(rows) == len(wanted)
            assert selector.count(audience) == len(wanted)
            assert set(selector.members(name)) == wanted, audience


@pytest.mark.rule("CDP-7")
@settings(max_examples=5)
@drawn
def test_sql_and_bitmaps_choose_whom_a_loop_chooses(
    tmp_path: Path, seed: int, persons: int, count: int, draw: random.Random
) -> None:
    agree(tmp_path, seed, persons, count, draw)


@pytest.mark.slow
@pytest.mark.rule("CDP-7")
@settings(max_examples=40)
@drawn
def test_sql_and_bitmaps_choose_whom_a_loop_chooses_in_many_worlds(
    tmp_path: Path, seed: int, persons: int, count: int, draw: random.Random
) -> None:
    agree(tmp_path, seed, persons, count, draw)
