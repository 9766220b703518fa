"""``/v1/releases`` and ``/health``: what is published, and whether calls can be answered."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from sqlalchemy import text

from console.api import shapes
from console.api.context import Context
from console.api.shapes import ReleaseView, gives, reply
from lake.releases import Release
from schemas.errors import NotFoundError
from services.access.api import needs
from services.access.core import Actor

Reader = Annotated[Actor, Depends(needs("releases:read"))]


def router(context: Context) -> APIRouter:
    """The routes; ``/health`` alone needs no key."""
    routes = APIRouter(tags=["releases"])

    @routes.get("/health", responses=gives(shapes.Health))
    def health() -> Response:
        """Whether the database answers, and from which release calls are answered."""
        with context.database.reading() as session:
            session.execute(text("SELECT 1"))
        try:
            newest = context.shelf.release()
        except NotFoundError:
            return reply(shapes.Health(status="empty", release_no=None, business_date=None))
        return reply(
            shapes.Health(
                status="ok", release_no=newest.release_no, business_date=newest.business_date
            )
        )

    @routes.get("/v1/releases", responses=gives(shapes.Releases))
    def every(
        _actor: Reader, limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before: Annotated[int | None, Query(ge=1, description="Only earlier numbers.")] = None,
    ) -> Response:
        """Publications, newest first."""
        known = context.shelf.releases()
        found = [one for one in known if before is None or one.release_no < before]
        return reply(shapes.Releases([_view(one) for one in reversed(found[-limit:])]))

    @routes.get("/v1/releases/{number}", responses=gives(ReleaseView))
    def one(
        _actor: Reader, number: Annotated[int, Path(ge=1, le=2**31 - 1)]
    ) -> Response:
        """One publication."""
        return reply(_view(context.shelf.release(number)))

    return routes


def _view(release: Release) -> ReleaseView:
    return ReleaseView(
        release_no=release.release_no, business_date=release.business_date, cut=release.cut,
        published_at=release.published_at, run_id=release.run_id, tables=len(release.versions),
    )
