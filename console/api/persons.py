"""``/v1/persons``: one person's identifiers, masked, with tags and audiences."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from console.api import shapes
from console.api.context import Context, as_of
from console.api.shapes import asks, gives, reply
from console.api.shelf import Opened
from pipelines import identity
from pipelines.tags import show_sparse_tags
from services.access.api import needs, require
from services.access.core import Actor
from services.access.store import note

Reader = Annotated[Actor, Depends(needs("persons:read"))]
AsOf = Annotated[
    str | None, Query(alias="as_of", description="Business date or number of a release.")
]
Clear = Annotated[
    bool, Query(description="Identifiers as they are; needs the scope persons:clear.")
]
SHOWN = ("type", "value", "kind", "valid_from", "valid_to", "first_on", "last_on", "count_events")


def router(context: Context) -> APIRouter:
    """The routes; each call is on one whole release."""
    routes = APIRouter(prefix="/v1/persons", tags=["persons"])

    def answer(
        request: Request, actor: Actor, who: str, as_of_text: str | None, is_clear: bool
    ) -> Response:
        if is_clear:
            require(request, actor, "persons:clear")
        with context.shelf.open(as_of(as_of_text)) as opened:
            one_id = identity.find_person(opened.session, who, context.region)
            found = _person(opened, one_id, is_clear)
            action = "persons.clear" if is_clear else "persons.read"
            with context.database.session() as session:
                note(session, actor, action, str(found.person_no), context.clock())
            return reply(found)

    @routes.post("/find", openapi_extra=asks(shapes.Who, {"who": "phone:+8613812345678"}),
                 responses=gives(shapes.Person))
    def find(
        request: Request, actor: Reader,
        wanted: Annotated[Any, Depends(shapes.body(shapes.Who))], as_of_text: AsOf = None,
        clear: Clear = False,
    ) -> Response:
        """A person by an identifier, which then stands in no address and no log."""
        return answer(request, actor, wanted.who, as_of_text, clear)

    @routes.get("/{who}", responses=gives(shapes.Person))
    def one(
        request: Request, actor: Reader, who: Annotated[str, Path(max_length=500)],
        as_of_text: AsOf = None, clear: Clear = False,
    ) -> Response:
        """A person by one_id, person_no or any identifier's value."""
        return answer(request, actor, who, as_of_text, clear)

    return routes


def _person(opened: Opened, one_id: str, is_clear: bool) -> shapes.Person:
    session, day = show_sparse_tags(opened.session), f"DATE '{opened.date}'"
    found = identity.explain_person(session, one_id, is_clear=is_clear)
    values = session.table(
        f"SELECT * EXCLUDE (business_date, one_id, person_no) FROM tag_values "
        f"WHERE business_date = {day} AND one_id = '{one_id}'"
    ).to_pylist()
    audiences = session.rows(
        f"SELECT audience FROM audience_members WHERE business_date = {day} "
        f"AND one_id = '{one_id}' ORDER BY audience"
    )
    return shapes.Person(
        release_no=opened.release.release_no, business_date=opened.date, one_id=one_id,
        person_no=found["person"]["person_no"], is_clear=is_clear,
        identifiers=[{name: row[name] for name in SHOWN} for row in found["identifiers"]],
        tags=values[0] if values else {}, audiences=[str(name) for (name,) in audiences],
    )
