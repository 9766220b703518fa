"""The server's application: the console's routes with those of the services, over one lake."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import FastAPI

from console.api import Context, Shelf, create_app
from jobs import run, settings
from jobs.handovers import Desk
from jobs.privacy import erase, receipts
from jobs.settings import Settings
from lake.store import Lake, open_lake
from pipelines.tags import declared
from pipelines.tags.checks import Known
from schemas.errors import UsageError
from services.access import api as access
from services.access import store
from services.access.core import Actor
from services.database import Database, open_database
from services.handovers import api as handovers
from services.privacy import api as privacy
from services.privacy.core import Receipt

DATA = "GUIYI_DATA"


def application() -> FastAPI:
    """The application over the lake of ``GUIYI_DATA``; each worker of the server makes its own."""
    lake, settled = open_lake(os.environ.get(DATA)), settings.read()
    return composed(lake, settled, context(lake, settled, open_database(lake.root), _now))


def context(
    lake: Lake, settled: Settings, database: Database, clock: Callable[[], datetime]
) -> Context:
    """What the console's routes work with, by the definitions of ``settled``."""
    tags = declared(settled.tags)
    return Context(
        shelf=Shelf(lake, tags, settled.programme.zone), database=database, tags=tags,
        audiences=settled.audiences, region=settled.programme.region,
        known=Known(settled.sources, settled.models), clock=clock,
    )


def composed(lake: Lake, settled: Settings, given: Context) -> FastAPI:
    """The console's routes and those of every service."""
    desk = Desk(lake, settled, given.database, given.clock)
    erasing = ErasureDesk(lake, settled, given.database, given.clock)
    others = [
        handovers.router(desk), privacy.router(erasing), access.router(given.database)
    ]
    return create_app(given, others)


@dataclass(frozen=True, slots=True)
class ErasureDesk:
    """Has persons erased: ``services.privacy.api.Desk``."""

    lake: Lake
    settings: Settings
    database: Database
    clock: Callable[[], datetime]

    def erase(self, who: str, reason: str, by: Actor) -> Receipt:
        """Erase the person whom ``who`` names; the signed receipt."""
        run_id = run.new_run_id()
        return erase.erase(
            self.lake, self.settings, who, reason=reason, author=by.name, run_id=run_id,
            clock=self.clock, noted=lambda erasure_id: self._note(by, erasure_id),
        )

    def _note(self, by: Actor, erasure_id: str) -> None:
        with self.database.session() as session:
            store.note(session, by, "privacy.erase", erasure_id, self.clock())

    def receipts(self) -> list[Receipt]:
        """Every receipt, the oldest first."""
        return receipts.receipts(self.lake)

    def receipt(self, erasure_id: str) -> Receipt:
        """One receipt; NotFoundError when there is none."""
        return receipts.receipt(self.lake, erasure_id)


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
