"""How far tags may move from one published date to the next: ``conf/*/tag_bounds.yml``."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec

from schemas.measured import Name

Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of one tag; what is not said is the programme's. A bound of 1 is none."""

    known: Share | None = None
    distance: Share | None = None


class Accepted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A jump that somebody looked at and found right, on its date alone."""

    tag: Name
    date: date
    why: Annotated[str, msgspec.Meta(min_length=1)]


class TagBounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The programme's bounds, those of single tags, and jumps that are right."""

    known: Share
    """Most of those of whom a tag is known who may be lost in a day, or be new: of the larger."""
    distance: Share
    """Most of the known who may change bins in a day: total variation distance, 0 to 1."""
    min_persons: Annotated[int, msgspec.Meta(ge=0)]
    """A move of fewer persons is no jump."""
    tags: dict[Name, Bound] = {}
    accepted: list[Accepted] = []

    def of(self, tag: str) -> tuple[float, float]:
        """Bounds of a tag in a day: of its known, and of its distance."""
        own = self.tags.get(tag, Bound())
        known = self.known if own.known is None else own.known
        return known, self.distance if own.distance is None else own.distance
