"""Decisions about versions of audiences, without clock or database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from schemas.audiences import Audience
from schemas.errors import ConflictError

Change = Literal["created", "changed", "same"]


class StaleError(ConflictError):
    """Another version is in force than the one that the caller has seen."""


class UnseenError(ConflictError):
    """A change by somebody who does not say which version they have seen."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One version: ``number`` counts those of a name, ``version`` is a fingerprint of what it says.
    """

    audience: Audience
    number: int
    version: str
    created_at: datetime
    created_by: str


def written(audience: Audience) -> bytes:
    """The audience as it is kept, the same bytes for the same audience."""
    return msgspec.json.encode(audience, order="deterministic")


def read(kept: bytes) -> Audience:
    """What ``written`` wrote."""
    return msgspec.json.decode(kept, type=Audience)


def change(current: Stored | None, audience: Audience, version: str) -> Change:
    """What keeping ``audience`` would do to the version in force."""
    if current is None:
        return "created"
    is_same = (current.version, current.audience.label) == (version, audience.label)
    return "same" if is_same else "changed"


def require_number(current: Stored | None, expected: int | None, name: str) -> None:
    """StaleError unless the version in force is the one that the caller has seen."""
    if expected is not None and expected != (current.number if current else 0):
        raise StaleError(
            f"somebody else has changed the audience {name!r}", expected=f"version {expected}",
            got=f"version {current.number}" if current else "no version",
            todo="read it again, and put your change on top of it",
        )
