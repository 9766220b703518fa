"""Small worlds, generated once a session."""

from __future__ import annotations

import pytest

from tests.pipelines.world.small_world import Small, make


@pytest.fixture(scope="session")
def basic() -> Small:
    return make(seed=1, traps="basic", households=50)


@pytest.fixture(scope="session")
def untrapped() -> Small:
    return make(seed=1, traps="none", households=40)


@pytest.fixture(scope="session")
def hard() -> Small:
    return make(seed=1, traps="all", households=50)
