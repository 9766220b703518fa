"""The published bitmaps of a date, read tag by tag and bitmap by bitmap."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any, get_args

from pyroaring import AbstractBitMap, BitMap

from lake import snapshots
from lake.engines.duckdb import Session
from lake.packs import Pack
from pipelines.tags.published.bitmaps import TagBits, read_bits
from schemas.errors import NotFoundError, UsageError
from schemas.rules import Comparison, Operator
from schemas.tags import TAG_BITMAPS

SNAPSHOT = TAG_BITMAPS.name
EVERYONE = "everyone"
HIDDEN = "hidden_persons"
"""A session's table of the numbers of those it does not show, where there are any."""


def file_of(tag: str) -> str:
    """The name of a tag's file in the snapshot."""
    return f"tag.{tag}"


def version_on(session: Session, day: date) -> str:
    """The snapshot with the bitmaps of ``day``, as the open release names it."""
    rows = session.rows(
        f"SELECT max(version) FROM {TAG_BITMAPS.name} WHERE business_date = DATE '{day}'"
    )
    if rows[0][0] is None:
        raise NotFoundError(
            f"no bitmaps are published of {day}", expected="a published date", got=str(day),
            todo="see `guiyi release list`",
        )
    return str(rows[0][0])


def hidden(session: Session) -> AbstractBitMap:
    """Numbers of persons whom the session does not show; none where it shows all."""
    if not session.rows(f"SELECT 1 FROM duckdb_tables() WHERE table_name = '{HIDDEN}'"):
        return BitMap()
    return BitMap([int(str(one)) for (one,) in session.rows(f"SELECT person_no FROM {HIDDEN}")])


class TagBitmaps:
    """Who has which value of which tag on a date, by ``person_no``.

    Answers may be bitmaps that others hold too: join them (``&``, ``|``, ``-``), change none. What
    was opened once stays in memory: for 20 M persons up to 2.5 MB a bitmap.
    """

    def __init__(self, folder: Path, without: AbstractBitMap | None = None) -> None:
        self._folder, self._without = folder, without or None
        self._tags: dict[str, TagBits] = {}
        everyone: Any = Pack(folder / EVERYONE).blob(EVERYONE)
        found = BitMap.deserialize(everyone)
        self._everyone: AbstractBitMap = found - without if without else found

    @classmethod
    def open(
        cls, root: Path, version: str, without: AbstractBitMap | None = None
    ) -> TagBitmaps:
        """The bitmaps of a snapshot below ``root``; see ``version_on``.

        Persons of ``without`` are nowhere in them.
        """
        return cls(snapshots.place(root, SNAPSHOT, version), without)

    @classmethod
    def of(cls, session: Session, root: Path, day: date) -> TagBitmaps:
        """The bitmaps of ``day`` as the open release names them, without whom it hides."""
        return cls.open(root, version_on(session, day), hidden(session))

    @property
    def names(self) -> list[str]:
        """Names of the tags that have bitmaps."""
        prefix = file_of("")
        found = [path.name for path in self._folder.iterdir()]
        return sorted(name.removeprefix(prefix) for name in found if name.startswith(prefix))

    def everyone(self) -> AbstractBitMap:
        """All persons of the date."""
        return self._everyone

    def known(self, tag: str) -> AbstractBitMap:
        """Persons of whom the tag's value is known."""
        return self.tag(tag).known()

    def where(self, tag: str, operator: Operator, value: Any = None) -> AbstractBitMap:
        """Persons of whom the comparison is true, as SQL would choose them.

        UsageError for an operator that there is not or a value of the wrong type, NotFoundError for
        a tag without bitmaps.
        """
        if operator not in get_args(Operator):
            raise UsageError(
                f"there is no operator {operator!r}",
                expected="one of " + ", ".join(get_args(Operator)), got=str(operator),
            )
        if operator == "null":
            return self._everyone - self.known(tag)
        return self.tag(tag).where(Comparison(operator, value))

    def tag(self, name: str) -> TagBits:
        """The bitmaps of one tag."""
        if name not in self._tags:
            path = self._folder / file_of(name)
            if not path.exists():
                raise NotFoundError(
                    f"no bitmaps are published of the tag {name!r}",
                    expected="one of " + ", ".join(self.names), got=name,
                    todo="a tag has bitmaps from the first date it is published on",
                )
            pack = Pack(path)
            bits = read_bits(name, pack.about, pack.blob)
            self._tags[name] = bits.less(self._without) if self._without else bits
        return self._tags[name]
