"""``/v1/tags``: which tags there are, what they are made of, and how they are spread."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response

from console.api import shapes
from console.api.context import Context, as_of
from console.api.shapes import TagView, gives, reply
from console.api.shelf import Opened
from lake.engines.duckdb import quoted
from pipelines.tags.description import made_of
from pipelines.tags.listing import listed
from schemas.errors import NotFoundError
from schemas.tags import TAG_COVERAGE
from services.access.api import needs
from services.access.core import Actor

Reader = Annotated[Actor, Depends(needs("tags:read"))]
AsOf = Annotated[
    str | None, Query(alias="as_of", description="Business date or number of a release.")
]


def router(context: Context) -> APIRouter:
    """The routes; each call is on one whole release."""
    routes = APIRouter(prefix="/v1/tags", tags=["tags"])

    @routes.get("", responses=gives(shapes.Tags))
    def every(_actor: Reader, as_of_text: AsOf = None) -> Response:
        """The tags published of the date, and of how many each is known."""
        with context.shelf.open(as_of(as_of_text)) as opened:
            found = [_view(row) for row in listed(opened.session, opened.date).to_pylist()]
            return reply(
                shapes.Tags(
                    release_no=opened.release.release_no, business_date=opened.date, tags=found
                )
            )

    @routes.get("/{name}", responses=gives(shapes.TagDetail))
    def one(
        _actor: Reader, name: Annotated[str, Path(max_length=100)], as_of_text: AsOf = None
    ) -> Response:
        """One tag: what it is made of, and its spread over everybody."""
        with context.shelf.open(as_of(as_of_text)) as opened:
            return reply(_detail(context, opened, name))

    return routes


def _detail(context: Context, opened: Opened, name: str) -> shapes.TagDetail:
    rows = listed(opened.session, opened.date).to_pylist()
    found = [row for row in rows if row["tag"] == name]
    if not found:
        raise NotFoundError(
            f"no tag {name!r} is published of {opened.date}", got=name,
            expected="one of " + ", ".join(row["tag"] for row in rows), todo="see GET /v1/tags",
        )
    known = {tag.name: tag for tag in context.tags}
    spread = opened.session.table(
        f"SELECT bins FROM {TAG_COVERAGE.name} WHERE tag = {quoted(name)} "
        f"AND business_date = DATE '{opened.date}'"
    ).to_pylist()
    return shapes.TagDetail(
        release_no=opened.release.release_no, business_date=opened.date, tag=_view(found[0]),
        made_of=made_of(known[name], known, opened.date) if name in known else None,
        bins=(spread[0]["bins"] or []) if spread else [],
    )


def _view(row: dict[str, Any]) -> TagView:
    return TagView(**row)
