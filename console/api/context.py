"""What every route works with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from console.api.shelf import Shelf
from pipelines.tags.checks import Known
from schemas.audiences import Audience
from schemas.errors import UsageError
from schemas.tag_definitions import Tag
from services.audiences import store
from services.audiences.core import Stored
from services.database import Database


@dataclass(frozen=True, slots=True)
class InForce:
    """The audiences in force at one moment: of files, and made over the API."""

    declared: list[Audience]
    made: list[Stored]

    @property
    def audiences(self) -> list[Audience]:
        """All of them."""
        return [*self.declared, *(one.audience for one in self.made)]


@dataclass(frozen=True, slots=True)
class Context:
    """The open releases, the services' database, the definitions in force, and the time.

    ``audiences`` are those declared in files, ``region`` the country of phones written without
    one, ``known`` what sources bring.
    """

    shelf: Shelf
    database: Database
    tags: Sequence[Tag]
    audiences: Sequence[Audience]
    region: str
    known: Known
    clock: Callable[[], datetime]

    def in_force(self) -> InForce:
        """Every audience in force now; a declared one goes before one made over the API."""
        declared = {one.name for one in self.audiences}
        with self.database.reading() as session:
            made = [one for one in store.every(session) if one.audience.name not in declared]
        return InForce(list(self.audiences), made)


def as_of(text: str | None) -> date | int | None:
    """A business date or the number of a release; UsageError for anything else."""
    if text is None:
        return None
    if text.isdecimal() and len(text) < 10:
        return int(text)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(
            "as_of names no release", expected="a business date, or the number of a release",
            got=text[:40], where="as_of", todo="see GET /v1/releases",
        ) from None
