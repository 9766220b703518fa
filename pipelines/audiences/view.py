"""Audiences over one open release: who is in them, how they overlap, what they are like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyroaring import AbstractBitMap, BitMap

from domain.near import meant
from lake.engines.duckdb import Session, quoted
from pipelines.audiences.selector import Selector
from pipelines.audiences.tree import TagLeaf, leaves
from pipelines.tags import show_sparse_tags
from pipelines.tags.published import TagBitmaps
from schemas.audiences import Audience
from schemas.errors import NotFoundError
from schemas.tag_definitions import Tag
from schemas.tags import TAG_COVERAGE

LARGEST = 2**32 - 1
"""No ``person_no`` is greater: bitmaps hold numbers of 32 bits."""
MEMBERS = pa.schema([pa.field("person_no", pa.int64()), pa.field("one_id", pa.string())])


class View:
    """Audiences by definitions of now, on the values that a release published of ``day``."""

    def __init__(
        self, session: Session, snapshots: Path, day: date, tags: Sequence[Tag],
        audiences: Sequence[Audience], *, zone: str | None = None,
        bitmaps: TagBitmaps | None = None,
    ) -> None:
        """``session`` shows the release; ``snapshots`` is the folder of the lake's snapshots.

        ``bitmaps`` are those of ``day``, where they are open already.
        """
        self.session, self.day = show_sparse_tags(session), day
        self.bitmaps = bitmaps or TagBitmaps.of(session, snapshots, day)
        self.tags = {tag.name: tag for tag in tags}
        self.selector = Selector(session, self.bitmaps, day, tags, audiences, zone=zone)

    def audience(self, name: str) -> Audience:
        """The definition of ``name``; NotFoundError names those that there are."""
        known = self.selector.audiences
        if name not in known:
            raise NotFoundError(
                f"there is no audience {name!r}",
                expected="one of " + ", ".join(sorted(known)) if known else "an audience",
                got=name, todo=meant(name, known) or "see `guiyi audience list`",
            )
        return known[name]

    def missing_tags(self, audience: Audience) -> list[Tag]:
        """Tags that it stands on, also by way of others, and that are not published of the day."""
        found: dict[str, Tag] = {}
        for one in self.selector.resolve(audience):
            for leaf in leaves(one.node):
                if isinstance(leaf, TagLeaf):
                    found[leaf.tag.name] = leaf.tag
            if one.top is not None:
                found[one.top.name] = one.top
        return [found[name] for name in sorted(found) if self._published(found[name]) is None]

    def members(self, audience: Audience | str) -> AbstractBitMap:
        """``person_no`` of who is in it; NotFoundError for a tag that is not published of the day.
        """
        one = self.audience(audience) if isinstance(audience, str) else audience
        for tag in self.missing_tags(one):
            raise NotFoundError(
                f"the tag {tag.name!r} is not published of {self.day}",
                expected="a date on which it is", got=str(self.day),
                where=f"audience {one.name}", todo=f"see `guiyi tag describe {tag.name}`",
            )
        return self.selector.members(audience)

    def _published(self, tag: Tag) -> str | None:
        """What a tag is called on the day: as now, or as formerly."""
        names = self._names
        return next((name for name in (tag.name, *tag.formerly) if name in names), None)

    @cached_property
    def _names(self) -> set[str]:
        return set(self.bitmaps.names)

    def page(self, members: AbstractBitMap, limit: int = 0, after: int = -1) -> pa.Table:
        """``person_no`` and ``one_id`` of members beyond ``after`` in order; 0 gives all of them.
        """
        first = members.rank(min(after, LARGEST)) if after >= 0 else 0
        chosen = members[first : first + limit] if limit else members[first:]
        return self.persons(numbers_of(chosen))

    def persons(self, numbers: np.ndarray[Any, Any]) -> pa.Table:
        """``person_no`` and ``one_id`` of the persons with these numbers, in order."""
        show_numbers(self.session, "audience_numbers", numbers)
        return self.session.table(
            "SELECT person_no, one_id FROM audience_numbers JOIN persons USING (person_no) "
            "ORDER BY person_no"
        ).cast(MEMBERS)

    def values(self, numbers: np.ndarray[Any, Any], tags: Sequence[str]) -> list[dict[str, Any]]:
        """A row for each person with these numbers, in order: ``person_no``, ``one_id``, ``tags``.

        NotFoundError for a tag that is not published of the day.
        """
        asked = dict.fromkeys(tags)
        columns = "".join(f', t."{self._then(tag)}" AS "{tag}"' for tag in asked)
        show_numbers(self.session, "audience_numbers", numbers)
        found = self.session.table(
            f"SELECT t.person_no, t.one_id{columns} FROM audience_numbers JOIN tag_values AS t "
            f"USING (person_no) WHERE t.business_date = DATE '{self.day}' ORDER BY t.person_no"
        )
        return list(found.to_pylist())

    def _then(self, tag: str) -> str:
        """What a tag is called on the day; NotFoundError where it is not published of it."""
        then = self._published(self.tags[tag]) if tag in self.tags else None
        if then is None:
            raise NotFoundError(
                f"no tag {tag!r} is published of {self.day}",
                expected="one of " + ", ".join(sorted(self._names)), got=tag,
                todo=meant(tag, self._names),
            )
        return then

    def distribution(self, members: AbstractBitMap, tag: str) -> dict[str, Any]:
        """How a tag is spread among ``members``, beside everyone: counts and shares per bin.

        The bins are those of ``tag_coverage``; a share is of those of whom the tag is known.
        """
        then = self._then(tag)
        found = self.session.table(
            f"SELECT * FROM {TAG_COVERAGE.name} WHERE tag = {quoted(then)} "
            f"AND business_date = DATE '{self.day}'"
        ).to_pylist()
        if not found:
            raise NotFoundError(f"no coverage is published of {tag} on {self.day}", got=tag)
        bits = self.bitmaps.tag(then)
        inside, known = members & bits.known(), len(bits.known())
        before: AbstractBitMap = BitMap()
        rows = []
        for one in found[0]["bins"] or []:
            is_range = found[0]["shape"] == "ranges"
            value = _typed(one["value"], self.tags[tag].type)
            who = self.bitmaps.where(then, "<=" if is_range else "=", value)
            rows.append(_bin(one["value"], len(who & inside) - len(before & inside),
                             len(who) - len(before), len(inside), known))
            before = who if is_range else before
        return {
            "tag": tag, "shape": found[0]["shape"], "members": len(members),
            "known": len(inside), "unknown": len(members) - len(inside), "bins": rows,
        }


def overlap(members: Mapping[str, AbstractBitMap]) -> list[dict[str, Any]]:
    """A row per audience: its size, and with each audience how many are in both."""
    return [
        {"audience": name, "members": len(mine),
         "with": {other: len(mine & theirs) for other, theirs in members.items()}}
        for name, mine in members.items()
    ]


def numbers_of(members: AbstractBitMap) -> np.ndarray[Any, Any]:
    """The numbers in a bitmap, in order."""
    return np.frombuffer(members.to_array(), dtype=np.uint32).astype(np.int64)


def show_numbers(session: Session, name: str, numbers: np.ndarray[Any, Any]) -> None:
    """Show numbers as the table ``name`` with the column ``person_no``."""
    session.register(name, pa.table({"person_no": pa.array(numbers, pa.int64())}))


def _typed(text: str, kind: str) -> bool | int | float | str:
    readers: dict[str, Any] = {"boolean": "true".__eq__, "integer": int, "number": float}
    found: bool | int | float | str = readers.get(kind, str)(text)
    return found


def _bin(value: str, inside: int, all_: int, members: int, known: int) -> dict[str, Any]:
    share, share_all = inside / members if members else 0.0, all_ / known if known else 0.0
    return {
        "value": value, "count": inside, "share": round(share, 6), "count_all": all_,
        "share_all": round(share_all, 6),
        "lift": round(share / share_all, 3) if share_all else None,
    }
