"""The application: its routes, its errors, its limits, and what it tells of itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from console.api import audiences, persons, problems, releases, shapes, tags
from console.api.context import Context
from console.api.limits import BodyLimit
from services.access.api import Guard

ABOUT = """Audiences over published releases: who is in them, as of any kept date, and why.

Each call needs a key (`guiyi access key create`) as `Authorization: Bearer …`, and each call is
noted. Errors are problem documents (RFC 9457) with `expected`, `got`, `where` and `todo`.
Each answer is of one release, whole, and says of which."""


def create_app(context: Context, others: Iterable[APIRouter] = ()) -> FastAPI:
    """The API by ``context``; ``others`` are routers of the services."""
    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        yield
        context.shelf.close()

    app = FastAPI(
        title="Guiyi", version="1", description=ABOUT, lifespan=life, redoc_url=None,
        swagger_ui_parameters={"persistAuthorization": False},
    )
    app.state.guard = Guard(context.database, context.clock)
    problems.install(app)
    app.add_middleware(BodyLimit)
    for routes in (
        audiences.router(context), tags.router(context), persons.router(context),
        releases.router(context), *others,
    ):
        app.include_router(routes)
    shapes.describe(app)
    return app
