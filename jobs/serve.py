"""The server's application: the console's routes with those of the services, over one lake."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import FastAPI

from console.api import Context, create_app
from jobs import settings
from jobs.handovers import Desk
from jobs.settings import Settings
from lake.store import Lake, open_lake
from pipelines.tags import declared
from pipelines.tags.checks import Known
from schemas.errors import UsageError
from services.access import store
from services.database import Database, open_database
from services.handovers import api as handovers

DATA = "GUIYI_DATA"


def application() -> FastAPI:
    """The application over the lake of ``GUIYI_DATA``; each worker of the server makes its own."""
    lake = open_lake(os.environ.get(DATA))
    return composed(lake, open_database(lake.root), settings.read(), _now)


def composed(
    lake: Lake, database: Database, settled: Settings, clock: Callable[[], datetime]
) -> FastAPI:
    """The console's routes and those of every service, by the definitions of ``settled``."""
    context = Context(
        lake=lake, database=database, tags=declared(settled.tags), audiences=settled.audiences,
        zone=settled.programme.zone, region=settled.programme.region,
        known=Known(settled.sources, settled.models), clock=clock,
    )
    desk = Desk(lake, settled, database, clock)
    return create_app(context, [handovers.router(desk)])


def require_key(database: Database) -> None:
    """UsageError unless there is a key that somebody could call with."""
    with database.reading() as session:
        if not store.count_holding(session, _now()):
            raise UsageError(
                "nobody could call this server", expected="at least one key that holds",
                got="none", where="access keys of this lake",
                todo="make one: guiyi access key create NAME --role admin",
            )


def _now() -> datetime:
    return datetime.now(UTC)
