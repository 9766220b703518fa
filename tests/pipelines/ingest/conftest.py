"""Lakes in a temporary folder that take small files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lake import conf
from lake.store import open_lake
from schemas.sources import Source
from tests.pipelines.ingest.feeds import Feed


@pytest.fixture(scope="session")
def declared() -> list[Source]:
    """The committed declarations."""
    return conf.load("sources", Source)


@pytest.fixture
def new_feed(tmp_path: Path, declared: list[Source]) -> Callable[[], Feed]:
    """Makes empty lakes."""
    made = iter(range(1000))
    return lambda: Feed(open_lake(tmp_path / f"lake{next(made)}", create=True), list(declared))


@pytest.fixture
def feed(new_feed: Callable[[], Feed]) -> Feed:
    """One empty lake."""
    return new_feed()
