"""``/v1/audiences``: kept in versions, counted before they are kept, listed, and explained."""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Header, Path, Query, Response

from console.api import cursors, shapes
from console.api.context import Context, as_of
from console.api.cursors import Cursor
from console.api.problems import UnfitError
from console.api.shapes import AudienceView, asks, gives, reply
from console.api.shelf import Opened
from pipelines import identity
from pipelines.audiences import check, version
from pipelines.audiences.explain import explain
from pipelines.audiences.lists import known_lists
from pipelines.audiences.view import View
from schemas.audiences import Audience
from schemas.errors import ConflictError, NotFoundError, UsageError
from services.access.api import needs
from services.access.core import Actor
from services.audiences import store
from services.audiences.core import Stored
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
    return routes


def _read(routes: APIRouter, context: Context) -> None:
    @routes.get("", responses=gives(shapes.AudienceList))
    def every(_actor: Reader) -> Response:
        """All audiences in force, those declared in files and those made here."""
        declared = {one.name for one in context.audiences}
        made = [one for one in context.stored() if one.audience.name not in declared]
        views = [_of_file(one) for one in context.audiences] + [_of_stored(one) for one in made]
        return reply(shapes.AudienceList(sorted(views, key=lambda one: one.name)))

    @routes.get("/{name}", responses=gives(AudienceView))
    def one(_actor: Reader, name: Named) -> Response:
        """The audience in force; its ETag goes into the If-Match of a change."""
        return _shown(_view(context, name))

    @routes.get("/{name}/versions", responses=gives(shapes.Versions))
    def versions(_actor: Reader, name: Named) -> Response:
        """All versions, oldest first; none of them ever changes."""
        for declared in context.audiences:
            if declared.name == name:
                return reply(shapes.Versions(name, [_of_file(declared)]))
        with context.database.reading() as session:
            found = store.history(session, name)
        return reply(shapes.Versions(name, [_of_stored(one) for one in found]))


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
        return _shown(_of_stored(kept.stored), 200 if kept.change == "same" else 201)

    @routes.put(
        "/{name}", openapi_extra=asks(Audience, EXAMPLE),
        responses=gives(AudienceView),
    )
    def change(
        actor: Writer, name: Named, audience: Annotated[Any, Depends(shapes.body(Audience))],
        if_match: Annotated[str | None, Header()] = None, idempotency_key: Key = None,
    ) -> Response:
        """Keep a new version; one that says the same adds none."""
        if audience.name != name:
            raise UnfitError(
                "the audience is called otherwise than its address", expected=name,
                got=audience.name, where="$.name", todo="give both one name",
            )
        expected = _number(if_match)
        kept = _keep(context, actor, audience, expected, idempotency_key, is_new=False)
        return _shown(_of_stored(kept.stored))


def _look(routes: APIRouter, context: Context) -> None:
    @routes.post(
        "/preview", openapi_extra=asks(shapes.Preview, PREVIEW),
        responses=gives(shapes.Previewed),
    )
    def preview(
        _actor: Reader, wanted: Annotated[Any, Depends(shapes.body(shapes.Preview))],
        as_of_text: Annotated[AsOf, Query(alias="as_of")] = None,
    ) -> Response:
        """How many a definition would have, some of them, and how tags are spread among them."""
        with context.shelf.open(as_of(as_of_text)) as opened:
            return reply(_previewed(context, opened, wanted))

    @routes.get("/{name}/members", responses=gives(shapes.Members))
    def members(
        _actor: Reader, name: Named, as_of_text: Annotated[AsOf, Query(alias="as_of")] = None,
        limit: Limit = 100, cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> Response:
        """The members, page by page; all pages are of one release and one version."""
        begun = cursors.read(cursor) if cursor else None
        wanted = as_of(as_of_text) if begun is None else begun.release_no
        with context.shelf.open(wanted) as opened:
            return reply(_page(context, opened, _view(context, name), limit, begun))

    @routes.get("/{name}/explain/{who}", responses=gives(shapes.Explained))
    def explained(
        _actor: Reader, name: Named, who: Annotated[str, Path(max_length=500)],
        as_of_text: Annotated[AsOf, Query(alias="as_of")] = None,
    ) -> Response:
        """Why a person is in the audience or is not, with the values of each part."""
        with context.shelf.open(as_of(as_of_text)) as opened:
            return reply(_explained(context, opened, _view(context, name), who))


def _keep(
    context: Context, actor: Actor, audience: Audience, expected: int | None,
    key: str | None, *, is_new: bool,
) -> Kept:
    if any(one.name == audience.name for one in context.audiences):
        raise ConflictError(
            f"the audience {audience.name!r} is declared in a file", expected="another name",
            got=audience.name, todo="change the file, or give this one another name",
        )
    others = [one for one in context.all_audiences() if one.name != audience.name]
    check(audience, context.tags, others, lists=_lists(context), known=context.known)
    now, made = context.clock(), version(audience)
    with context.database.session() as session:
        kept = store.put(
            session, audience, made, actor, now, expected=expected, idempotency_key=key
        )
        if is_new and kept.change == "changed":
            raise ConflictError(
                f"there is an audience {audience.name!r} already",
                expected=f"{kept.stored.audience.name} as it is, or another name",
                got=f"version {made}", todo=f"change it with PUT /v1/audiences/{audience.name}",
            )
        return kept


def _lists(context: Context) -> set[str] | None:
    """Names of all lists; None before the first release, which alone could tell."""
    try:
        with context.shelf.open() as opened:
            return known_lists(opened.session)
    except NotFoundError:
        return None


def _previewed(context: Context, opened: Opened, wanted: shapes.Preview) -> shapes.Previewed:
    audience, audiences = wanted.audience, context.all_audiences()
    members = opened.members(audience, audiences)
    view = opened.view(audiences)
    count = len(members)
    # Evenly over all members, so that the same definition shows the same persons.
    places = [number * count // wanted.sample for number in range(min(wanted.sample, count))]
    chosen = [members[place] for place in places]
    return shapes.Previewed(
        release_no=opened.release.release_no, business_date=opened.date,
        version=version(audience), count=count,
        sample=_with_tags(view, opened, chosen, wanted.tags),
        distribution=[view.distribution(members, tag) for tag in wanted.distribution],
    )


def _with_tags(
    view: View, opened: Opened, chosen: list[int], tags: list[str]
) -> list[dict[str, Any]]:
    """The persons of these numbers with values of tags."""
    known = view.bitmaps.names
    for name in tags:
        if name not in known:
            raise NotFoundError(
                f"no tag {name!r} is published of {opened.date}",
                expected="one of " + ", ".join(known), got=name, where="$.tags",
            )
    if not chosen:
        return []
    columns = "".join(f', "{name}"' for name in tags)
    found = opened.session.table(
        f"SELECT one_id, person_no{columns} FROM tag_values WHERE business_date = "
        f"DATE '{opened.date}' AND person_no IN ({', '.join(map(str, chosen))}) ORDER BY person_no"
    )
    return list(found.to_pylist())


def _page(
    context: Context, opened: Opened, shown: AudienceView, limit: int, begun: Cursor | None
) -> shapes.Members:
    if begun is not None and begun.version != shown.version:
        raise UsageError(
            "this cursor is of another version of the audience", expected=shown.version,
            got=begun.version, where="cursor", todo="begin again without a cursor",
        )
    audiences = context.all_audiences()
    members = opened.members(shown.audience, audiences)
    first = members.rank(begun.after) if begun is not None else 0
    numbers = [members[place] for place in range(first, min(first + limit, len(members)))]
    rows = _persons(opened, numbers)
    is_more = first + limit < len(members)
    release_no = opened.release.release_no
    return shapes.Members(
        release_no=release_no, business_date=opened.date, name=shown.name,
        version=shown.version, count=len(members), members=rows,
        next=cursors.written(Cursor(release_no, shown.version, numbers[-1])) if is_more else None,
    )


def _persons(opened: Opened, numbers: list[int]) -> list[shapes.Member]:
    if not numbers:
        return []
    rows = opened.session.rows(
        f"SELECT one_id, person_no FROM persons WHERE person_no BETWEEN {numbers[0]} AND "
        f"{numbers[-1]} AND person_no IN ({', '.join(map(str, numbers))}) ORDER BY person_no"
    )
    return [shapes.Member(str(one_id), int(str(number))) for one_id, number in rows]


def _explained(
    context: Context, opened: Opened, shown: AudienceView, who: str
) -> shapes.Explained:
    one_id = identity.find_person(opened.session, who, context.region)
    ((person_no,),) = opened.session.rows(
        f"SELECT person_no FROM persons WHERE one_id = '{one_id}'"
    )
    view = opened.view(context.all_audiences())
    number = int(str(person_no))
    verdict = explain(view.selector, shown.audience, number)
    return shapes.Explained(
        release_no=opened.release.release_no, business_date=opened.date, name=shown.name,
        version=shown.version, one_id=one_id, person_no=number, is_member=bool(verdict.holds),
        verdict=msgspec.to_builtins(verdict),
    )


def _view(context: Context, name: str) -> AudienceView:
    for declared in context.audiences:
        if declared.name == name:
            return _of_file(declared)
    with context.database.reading() as session:
        return _of_stored(store.newest(session, name))


def _of_file(audience: Audience) -> AudienceView:
    return AudienceView(
        name=audience.name, label=audience.label, version=version(audience), number=None,
        source="file", created_at=None, created_by=None, audience=audience,
    )


def _of_stored(stored: Stored) -> AudienceView:
    return AudienceView(
        name=stored.audience.name, label=stored.audience.label, version=stored.version,
        number=stored.number, source="api", created_at=stored.created_at,
        created_by=stored.created_by, audience=stored.audience,
    )


def _shown(view: AudienceView, status: int = 200) -> Response:
    return reply(view, status, ETag=f'"{view.number or 0}-{view.version}"')


def _number(if_match: str | None) -> int | None:
    if if_match is None or if_match == "*":
        return None
    found = re.fullmatch(r'"(\d{1,9})-[0-9a-f]+"', if_match.strip())
    if found is None:
        raise UsageError(
            "this is no ETag of an audience", expected='such as "3-0123456789abcdef"',
            got=if_match[:60], where="If-Match", todo="take the ETag of GET",
        )
    return int(found.group(1))
