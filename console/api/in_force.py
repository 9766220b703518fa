"""Audiences in force as they are shown, with the ETag by which one says which version was seen."""

from __future__ import annotations

import re

from fastapi import Response

from console.api.context import InForce
from console.api.shapes import AudienceView, reply
from pipelines.audiences import version
from schemas.audiences import Audience
from schemas.errors import NotFoundError, UsageError
from services.audiences.core import Stored


def every(found: InForce) -> list[AudienceView]:
    """All of them, by name."""
    views = [of_file(one, found) for one in found.declared]
    views += [of_stored(one, found) for one in found.made]
    return sorted(views, key=lambda one: one.name)


def named(found: InForce, name: str) -> AudienceView:
    """The one of that name; NotFoundError where there is none."""
    for declared in found.declared:
        if declared.name == name:
            return of_file(declared, found)
    for made in found.made:
        if made.audience.name == name:
            return of_stored(made, found)
    raise NotFoundError(
        f"there is no audience {name!r}", expected="the name of an audience", got=name,
        todo="see GET /v1/audiences",
    )


def of_file(audience: Audience, found: InForce) -> AudienceView:
    """One that is declared in a file."""
    return AudienceView(
        name=audience.name, label=audience.label, version=version(audience, found.audiences),
        number=None, source="file", created_at=None, created_by=None, audience=audience,
    )


def of_stored(stored: Stored, found: InForce) -> AudienceView:
    """A version made over the API, on the others as they are in force."""
    return AudienceView(
        name=stored.audience.name, label=stored.audience.label,
        version=version(stored.audience, found.audiences), number=stored.number, source="api",
        created_at=stored.created_at, created_by=stored.created_by, audience=stored.audience,
    )


def shown(view: AudienceView, status: int = 200) -> Response:
    """The answer that shows one, with its ETag."""
    return reply(view, status, ETag=f'"{view.number or 0}-{view.version}"')


def number_of(if_match: str | None) -> int | None:
    """The number of the version in an If-Match; None where it says none, or any."""
    if if_match is None or if_match == "*":
        return None
    found = re.fullmatch(r'"(\d{1,9})-[0-9a-f]+"', if_match.strip())
    if found is None:
        raise UsageError(
            "this is no ETag of an audience", expected='such as "3-0123456789abcdef"',
            got=if_match[:60], where="If-Match", todo="take the ETag of GET",
        )
    return int(found.group(1))
