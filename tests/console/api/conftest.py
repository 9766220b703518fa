"""The API over the sample lake, with a services' database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi import FastAPI

from console.api import Shelf
from jobs import settings
from jobs.serve import composed, context
from jobs.settings import Settings
from lake.store import Lake, open_lake
from pipelines.tags import declared
from services.database import Database, open_database
from tests.console.api.calling import Caller, Clock, key_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def settled() -> Settings:
    return settings.read()


@pytest.fixture(scope="session")
def opened(sample_lake: Lake, settled: Settings) -> Iterator[Shelf]:
    """The sample's releases, opened once for all tests."""
    shelf = Shelf(sample_lake, declared(settled.tags), settled.programme.zone)
    yield shelf
    shelf.close()


@pytest.fixture
def app(
    opened: Shelf, settled: Settings, database: Database, clock: Clock, tmp_path: Path
) -> FastAPI:
    """Its hand-overs and erasures are of an empty lake: the sample is only read."""
    empty = open_lake(tmp_path)
    given = context(empty, settled, database, clock)
    return composed(empty, settled, replace(given, shelf=opened))


@pytest.fixture
def call(app: FastAPI, database: Database) -> Caller:
    """Calls as an admin."""
    return Caller(app, key_of(database, "admin"))
