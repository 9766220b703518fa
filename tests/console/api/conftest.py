"""The API over the sample lake, with a services' database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI

from jobs import settings
from jobs.serve import composed
from lake.store import Lake
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


@pytest.fixture
def app(sample_lake: Lake, database: Database, clock: Clock) -> FastAPI:
    return composed(sample_lake, database, settings.read(), clock)


@pytest.fixture
def call(app: FastAPI, database: Database) -> Caller:
    """Calls as an admin."""
    return Caller(app, key_of(database, "admin"))
