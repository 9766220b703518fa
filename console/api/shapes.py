"""What goes in and out: one structure per answer, from which OpenAPI is told too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi

from console.api.problems import MEDIA, STATUSES, Problem, UnfitError
from schemas.audiences import Audience
from schemas.errors import FieldError, InputError
from schemas.measured import Name

REF = "#/components/schemas/{name}"
Kind = TypeVar("Kind")
Json = dict[str, Any]


class AudienceView(msgspec.Struct, kw_only=True):
    """An audience in force; ``number`` is null for one declared in a file."""

    name: str
    label: str
    version: str
    number: int | None
    source: str
    created_at: datetime | None
    created_by: str | None
    audience: Audience


class AudienceList(msgspec.Struct):
    """All audiences in force, by name."""

    audiences: list[AudienceView]


class Versions(msgspec.Struct):
    """All versions of an audience, oldest first."""

    name: str
    versions: list[AudienceView]


class Preview(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A definition to be counted and looked at, without keeping it."""

    audience: Audience
    sample: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    tags: Annotated[list[Name], msgspec.Meta(max_length=20)] = []
    """Tags to show of each member in the sample."""
    distribution: Annotated[list[Name], msgspec.Meta(max_length=10)] = []
    """Tags whose spread inside the audience is wanted."""


class Of(msgspec.Struct, kw_only=True):
    """The release that an answer is of."""

    release_no: int
    business_date: date


class Previewed(Of, kw_only=True):
    """How many, a few of them, and how tags are spread among them."""

    version: str
    count: int
    sample: list[Json]
    distribution: list[Json]


class Member(msgspec.Struct):
    """One person, by numbers that say nothing of them."""

    one_id: str
    person_no: int


class Members(Of, kw_only=True):
    """A page of members in order of ``person_no``; ``next`` is null on the last."""

    name: str
    version: str
    count: int
    members: list[Member]
    next: str | None


class Explained(Of, kw_only=True):
    """Whether a person is in an audience, and which parts of its tree hold."""

    name: str
    version: str
    one_id: str
    person_no: int
    is_member: bool
    verdict: Json


class TagView(msgspec.Struct, kw_only=True):
    """A tag and how far it is known on the date."""

    tag: str
    label: str | None
    kind: str | None
    type: str
    share_known: float | None
    count_known: int | None
    count_values: int | None
    lowest: str | None
    highest: str | None


class Tags(Of, kw_only=True):
    """The published tags, by name."""

    tags: list[TagView]


class TagDetail(Of, kw_only=True):
    """A tag, what it is made of, and its spread over everybody."""

    tag: TagView
    made_of: Json | None
    bins: list[Json]


class Person(Of, kw_only=True):
    """What is known of a person; identifiers are masked unless clear ones may be seen."""

    one_id: str
    person_no: int
    is_clear: bool
    identifiers: list[Json]
    tags: Json
    audiences: list[str]


class Who(msgspec.Struct, forbid_unknown_fields=True):
    """Whom to find: a one_id, a person_no, or any identifier's value."""

    who: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class ReleaseView(msgspec.Struct, kw_only=True):
    """One publication."""

    release_no: int
    business_date: date
    cut: datetime
    published_at: datetime
    run_id: str
    tables: int


class Releases(msgspec.Struct):
    """Publications, newest first."""

    releases: list[ReleaseView]


class Health(msgspec.Struct, kw_only=True):
    """Whether calls can be answered, and from which release."""

    status: str
    release_no: int | None
    business_date: date | None


def reply(value: msgspec.Struct, status: int = 200, **headers: str) -> Response:
    """A structure as the response."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def body(kind: type[Kind]) -> Callable[[Request], Any]:
    """A dependency that reads the body as ``kind``; UnfitError says what does not fit, and where.
    """

    async def read(request: Request) -> Kind:
        return decoded(await request.body(), kind)

    return read


def decoded(content: bytes, kind: type[Kind]) -> Kind:
    """JSON as ``kind``; InputError where it is no JSON, UnfitError where it has another shape."""
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as error:
        what, _, path = str(error).partition(" - at ")
        check = error.__cause__ if isinstance(error.__cause__, FieldError) else None
        raise UnfitError(
            what, where=path.strip("`") or "$", expected=(check and check.expected) or "",
            todo=(check and check.todo) or "see /docs",
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(
            "the body is not JSON", expected="a JSON document in UTF-8", got=str(error)
        ) from error
    except RecursionError:
        raise UnfitError("the body is nested too deep", todo="write it flatter") from None


def asks(kind: type[Any], example: Any) -> Json:
    """What a route says of the body it reads."""
    told = {"schema": {"$ref": REF.format(name=kind.__name__)}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": told}}}


def gives(
    kind: type[Any], example: Any = None, *, status: int = 200
) -> dict[int | str, Json]:
    """What a route says of its answer, beside the problems that any may have."""
    told: Json = {"schema": {"$ref": REF.format(name=kind.__name__)}}
    if example is not None:
        told["example"] = example
    said = str(kind.__doc__).split("\n")[0]
    return {status: {"description": said, "content": {"application/json": told}}}


STRUCTURES: tuple[type[msgspec.Struct], ...] = (
    AudienceList, AudienceView, Audience, Explained, Health, Members, Person, Preview, Previewed,
    Problem, Releases, ReleaseView, TagDetail, Tags, Versions, Who,
)


def describe(app: FastAPI) -> None:
    """Have the application tell OpenAPI of these structures."""

    def openapi() -> Json:
        if app.openapi_schema is None:
            told = get_openapi(
                title=app.title, version=app.version, description=app.description,
                routes=app.routes, tags=app.openapi_tags,
            )
            _, components = msgspec.json.schema_components(STRUCTURES, ref_template=REF)
            schemas = told.setdefault("components", {}).setdefault("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            schemas |= components
            for operations in told["paths"].values():
                for operation in operations.values():
                    operation["responses"] |= _problems()
            app.openapi_schema = told
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _problems() -> Json:
    """What any call may be answered with instead."""
    content = {MEDIA: {"schema": {"$ref": REF.format(name=Problem.__name__)}}}
    return {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({*STATUSES.values(), 405, 413})
    }
