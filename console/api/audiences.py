"""``/v1/audiences``: kept in versions, counted before they are kept, listed, and explained."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response

from console.api import cursors, in_force, shapes
from console.api.context import Context, as_of
from console.api.cursors import Cursor
from console.api.problems import UnfitError
from console.api.shapes import AudienceView, asks, gives, reply
from console.api.shelf import Opened
from pipelines import identity
from pipelines.audiences import check, version
from pipelines.audiences.explain import explain
from pipelines.audiences.lists import known_lists
from pipelines.audiences.selector import sampled
from schemas.audiences import Audience
from schemas.errors import ConflictError, NotFoundError, UsageError
from services.access.api import needs, require
from services.access.core import Actor
from services.access.store import note
from services.audiences import store
from services.audiences.core import UnseenError
from services.audiences.store import Kept

Reader = Annotated[Actor, Depends(needs("audiences:read"))]
Writer = Annotated[Actor, Depends(needs("audiences:write"))]
AsOf = Annotated[str | None, Query(description="Business date or number of a release.")]
Named = Annotated[str, Path(pattern="^[a-z][a-z0-9_]*$", max_length=100)]
Key = Annotated[str | None, Header(min_length=1, max_length=200)]
Limit = Annotated[int, Query(ge=1, le=10_000)]

EXAMPLE = {
    "name": "coffee_in_beijing",
    "label": "Who likes coffee in Beijing",
    "query": {"combinator": "and", "rules": [
        {"field": "likes_coffee", "operator": "=", "value": True},
        {"field": "city", "operator": "=", "value": "北京"},
    ]},
}
PREVIEW = {"audience": EXAMPLE, "sample": 5, "tags": ["city"], "distribution": ["age_band"]}


def router(context: Context) -> APIRouter:
    """The routes; each call is on one whole release."""
    routes = APIRouter(prefix="/v1/audiences", tags=["audiences"])
    _read(routes, context)
    _write(routes, context)
    _look(routes, context)
    _explain(routes, context)
    return routes


def _read(routes: APIRouter, context: Context) -> None:
    @routes.get("", responses=gives(shapes.AudienceList))
    def every(_actor: Reader) -> Response:
        """All audiences in force, those declared in files and those made here."""
        return reply(shapes.AudienceList(in_force.every(context.in_force())))

    @routes.get("/{name}", responses=gives(AudienceView))
    def one(_actor: Reader, name: Named) -> Response:
        """The audience in force; its ETag goes into the If-Match of a change."""
        return in_force.shown(in_force.named(context.in_force(), name))

    @routes.get("/{name}/versions", responses=gives(shapes.Versions))
    def versions(_actor: Reader, name: Named) -> Response:
        """All versions, oldest first; what each says never changes."""
        if any(one.name == name for one in context.audiences):
            return reply(shapes.Versions(name, [in_force.named(context.in_force(), name)]))
        with context.database.reading() as session:
            kept = store.history(session, name)
        found = context.in_force()
        return reply(shapes.Versions(name, [in_force.of_stored(one, found) for one in kept]))


def _write(routes: APIRouter, context: Context) -> None:
    @routes.post(
        "", status_code=201, openapi_extra=asks(Audience, EXAMPLE),
        responses=gives(AudienceView, status=201) | gives(AudienceView),
    )
    def create(
        actor: Writer, audience: Annotated[Any, Depends(shapes.body(Audience))],
        idempotency_key: Key = None,
    ) -> Response:
        """Keep a new audience; the same one again, or the same Idempotency-Key, is 200."""
        kept = _keep(context, actor, audience, None, idempotency_key, is_new=True)
        view = in_force.of_stored(kept.stored, context.in_force())
        return in_force.shown(view, 200 if kept.change == "same" else 201)

    @routes.put(
        "/{name}", openapi_extra=asks(Audience, EXAMPLE),
        responses=gives(AudienceView),
    )
    def change(
        actor: Writer, name: Named, audience: Annotated[Any, Depends(shapes.body(Audience))],
        if_match: Annotated[str | None, Header()] = None, idempotency_key: Key = None,
    ) -> Response:
        """Keep a new version of what If-Match says was seen; one that says the same adds none."""
        if audience.name != name:
            raise UnfitError(
                "the audience is called otherwise than its address", expected=name,
                got=audience.name, where="$.name", todo="give both one name",
            )
        kept = _keep(context, actor, audience, if_match, idempotency_key, is_new=False)
        return in_force.shown(in_force.of_stored(kept.stored, context.in_force()))


def _look(routes: APIRouter, context: Context) -> None:
    @routes.post(
        "/preview", openapi_extra=asks(shapes.Preview, PREVIEW),
        responses=gives(shapes.Previewed),
    )
    def preview(
        request: Request, actor: Reader,
        wanted: Annotated[Any, Depends(shapes.body(shapes.Preview))],
        as_of_text: Annotated[AsOf, Query(alias="as_of")] = None,
    ) -> Response:
        """How many a definition would have, some of them, and how tags are spread among them.

        Tags of those in the sample are read by who has the scope persons:read too.
        """
        is_read = wanted.sample > 0 and len(wanted.tags) > 0
        if is_read:
            require(request, actor, "persons:read")
        known = _lists(context)
        with context.shelf.open(as_of(as_of_text)) as opened:
            found = _previewed(context, opened, wanted, known)
        if is_read:
            numbers = [str(one["person_no"]) for one in found.sample]
            _note(context, actor, "audiences.preview", numbers)
        return reply(found)

    @routes.get("/{name}/members", responses=gives(shapes.Members))
    def members(
        _actor: Reader, name: Named, as_of_text: Annotated[AsOf, Query(alias="as_of")] = None,
        limit: Limit = 100, cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> Response:
        """The members, page by page; all pages are of one release and one version."""
        begun = cursors.read(cursor) if cursor else None
        wanted = as_of(as_of_text) if begun is None else begun.release_no
        with context.shelf.open(wanted) as opened:
            return reply(_page(context, opened, name, limit, begun))


def _explain(routes: APIRouter, context: Context) -> None:
    def answer(
        request: Request, actor: Actor, name: str, who: str, as_of_text: str | None
    ) -> Response:
        require(request, actor, "persons:read")
        with context.shelf.open(as_of(as_of_text)) as opened:
            found = _explained(context, opened, name, who)
        _note(context, actor, "audiences.explain", [f"{found.person_no} {name}"])
        return reply(found)

    @routes.post(
        "/{name}/explain", openapi_extra=asks(shapes.Who, {"who": "phone:+8613812345678"}),
        responses=gives(shapes.Explained),
    )
    def explain_found(
        request: Request, actor: Reader, name: Named,
        wanted: Annotated[Any, Depends(shapes.body(shapes.Who))],
        as_of_text: Annotated[AsOf, Query(alias="as_of")] = None,
    ) -> Response:
        """Why a person is in the audience or is not; the identifier stands in no address.

        Needs the scope persons:read too.
        """
        return answer(request, actor, name, wanted.who, as_of_text)

    @routes.get("/{name}/explain/{who}", responses=gives(shapes.Explained))
    def explained(
        request: Request, actor: Reader, name: Named, who: Annotated[str, Path(max_length=500)],
        as_of_text: Annotated[AsOf, Query(alias="as_of")] = None,
    ) -> Response:
        """Why a person is in the audience or is not, with the values of each part.

        Needs the scope persons:read too.
        """
        return answer(request, actor, name, who, as_of_text)


def _note(context: Context, actor: Actor, action: str, persons: list[str]) -> None:
    """A line in the log for each person whose values were read."""
    with context.database.session() as session:
        for what in persons:
            note(session, actor, action, what, context.clock())


def _keep(
    context: Context, actor: Actor, audience: Audience, if_match: str | None,
    key: str | None, *, is_new: bool,
) -> Kept:
    if any(one.name == audience.name for one in context.audiences):
        raise ConflictError(
            f"the audience {audience.name!r} is declared in a file", expected="another name",
            got=audience.name, todo="change the file, or give this one another name",
        )
    expected = in_force.number_of(if_match)
    others = [one for one in context.in_force().audiences if one.name != audience.name]
    check(audience, context.tags, others, lists=_lists(context), known=context.known)
    # Of what it says itself: that another one changes adds no version to this one.
    now, made = context.clock(), version(audience)
    with context.database.session() as session:
        kept = store.put(
            session, audience, made, actor, now, expected=expected, idempotency_key=key
        )
        if kept.change == "changed" and is_new:
            raise ConflictError(
                f"there is an audience {audience.name!r} already",
                expected=f"{kept.stored.audience.name} as it is, or another name",
                got=f"version {made}", todo=f"change it with PUT /v1/audiences/{audience.name}",
            )
        if kept.change == "changed" and if_match is None:
            raise UnseenError(
                f"which version of {audience.name!r} is this a change of?", expected="If-Match",
                got="none", where="If-Match", todo="send the ETag of GET, or * for any version",
            )
        return kept


def _lists(context: Context) -> set[str] | None:
    """Names of all lists; None before the first release, which alone could tell."""
    try:
        with context.shelf.open() as opened:
            return known_lists(opened.session)
    except NotFoundError:
        return None


def _previewed(
    context: Context, opened: Opened, wanted: shapes.Preview, lists: set[str] | None
) -> shapes.Previewed:
    audience, audiences = wanted.audience, context.in_force().audiences
    others = [one for one in audiences if one.name != audience.name]
    # A misspelt event would else have nobody, or everybody.
    check(audience, context.tags, others, lists=lists, known=context.known)
    members = opened.members(audience, audiences)
    view, made = opened.view(audiences), version(audience, audiences)
    # By the version, so that the same definition shows the same persons.
    chosen = np.array(sampled(members, wanted.sample, made), dtype=np.int64)
    return shapes.Previewed(
        release_no=opened.release.release_no, business_date=opened.date, version=made,
        count=len(members), sample=view.values(chosen, wanted.tags),
        distribution=[view.distribution(members, tag) for tag in wanted.distribution],
    )


def _page(
    context: Context, opened: Opened, name: str, limit: int, begun: Cursor | None
) -> shapes.Members:
    found = context.in_force()
    shown = in_force.named(found, name)
    if begun is not None and begun.version != shown.version:
        raise UsageError(
            "this cursor is of another version of the audience", expected=shown.version,
            got=begun.version, where="cursor", todo="begin again without a cursor",
        )
    members = opened.members(shown.audience, found.audiences)
    after = begun.after if begun is not None else -1
    rows = opened.view(found.audiences).page(members, limit, after).to_pylist()
    page = [shapes.Member(**row) for row in rows]
    is_more = bool(page) and page[-1].person_no < members.max()
    release_no = opened.release.release_no
    following = Cursor(release_no, shown.version, page[-1].person_no) if is_more else None
    return shapes.Members(
        release_no=release_no, business_date=opened.date, name=shown.name,
        version=shown.version, count=len(members), members=page,
        next=cursors.written(following) if following else None,
    )


def _explained(context: Context, opened: Opened, name: str, who: str) -> shapes.Explained:
    found = context.in_force()
    shown = in_force.named(found, name)
    one_id = identity.find_person(opened.session, who, context.region)
    ((person_no,),) = opened.session.rows(
        f"SELECT person_no FROM persons WHERE one_id = '{one_id}'"
    )
    number = int(str(person_no))
    verdict = explain(opened.view(found.audiences).selector, shown.audience, number)
    return shapes.Explained(
        release_no=opened.release.release_no, business_date=opened.date, name=shown.name,
        version=shown.version, one_id=one_id, person_no=number, is_member=bool(verdict.holds),
        verdict=msgspec.to_builtins(verdict),
    )
