"""The server's application: the console's routes with those of the services, over one lake."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI

from console.api import Context, create_app
from jobs import settings
from lake.store import Lake, open_lake
from pipelines.tags import declared
from pipelines.tags.checks import Known
from schemas.errors import UsageError
from services.access import store
from services.database import Database, open_database

DATA = "GUIYI_DATA"


def context(lake: Lake, database: Database, folder: Path | None = None) -> Context:
    """What the routes work with: the lake, the database, and the definitions of ``folder``."""
    settled = settings.read(folder)
    return Context(
        lake=lake, database=database, tags=declared(settled.tags), audiences=settled.audiences,
        zone=settled.programme.zone, region=settled.programme.region,
        known=Known(settled.sources, settled.models), clock=lambda: datetime.now(UTC),
    )


def application() -> FastAPI:
    """The application over the lake of ``GUIYI_DATA``; each worker of the server makes its own."""
    lake = open_lake(os.environ.get(DATA))
    return create_app(context(lake, open_database(lake.root)))


def require_key(database: Database) -> None:
    """UsageError unless there is a key that somebody could call with."""
    with database.reading() as session:
        if not store.count_holding(session, datetime.now(UTC)):
            raise UsageError(
                "nobody could call this server", expected="at least one key that holds",
                got="none", where="access keys of this lake",
                todo="make one: guiyi access key create NAME --role admin",
            )
