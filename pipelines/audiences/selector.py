"""Audiences of one date of one release: their members by either plan."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import date, timedelta

from pyroaring import AbstractBitMap

from domain.dates import day_start
from domain.near import meant
from lake import conf
from lake.engines.duckdb import Session
from pipelines.audiences.bits import Bits
from pipelines.audiences.compile import Day, whole_query
from pipelines.audiences.lists import known_lists
from pipelines.audiences.resolve import Book, in_order, resolved
from pipelines.audiences.tree import Resolved
from pipelines.tags.published import TagBitmaps
from schemas.audiences import Audience
from schemas.errors import NotFoundError, UsageError
from schemas.programme import Programme
from schemas.tag_definitions import Tag


class Selector:
    """Who is in an audience on ``day``, from a release that is open in ``session``.

    ``tag_values`` shows the sparse tags too (``show_sparse_tags``); ``audiences`` are those that
    others may name. ``members`` (bitmaps) and ``query`` (SQL) give the same persons. As its
    session, it is not shared between threads. ``zone`` is the programme's, unless given.
    """

    def __init__(
        self, session: Session, bitmaps: TagBitmaps, day: date, tags: Sequence[Tag],
        audiences: Sequence[Audience], *, zone: str | None = None,
    ) -> None:
        self.session, self.bitmaps, self.date, self.tags = session, bitmaps, day, list(tags)
        self.audiences = {one.name: one for one in audiences}
        self.day = day_of(session, day, zone)
        self._book = Book(
            {tag.name: tag for tag in tags}, self.audiences, known_lists(session)
        )
        self._bits = Bits(session, bitmaps, self.day, self.members)
        self._members: dict[str, AbstractBitMap] = {}

    def members(self, audience: Audience | str) -> AbstractBitMap:
        """``person_no`` of the members, from bitmaps; nobody may change the answer.

        Of audiences by name the answer is kept. ConfigError for one that cannot be computed,
        NotFoundError for one that is not declared and for a tag that is not published.
        """
        if isinstance(audience, str) and audience in self._members:
            return self._members[audience]
        order = self.resolve(audience)
        for one in order[:-1]:
            self._keep(one)
        if audience in (order[-1].audience.name, self.audiences.get(order[-1].audience.name)):
            return self._keep(order[-1])
        return self._bits.members(order[-1])

    def query(self, audience: Audience | str) -> str:
        """SQL that gives ``one_id, person_no`` of the same members."""
        return whole_query(self.resolve(audience), self.day)

    def count(self, audience: Audience | str) -> int:
        """How many are in it; cheaper than to ask who they are."""
        if isinstance(audience, str) and audience in self._members:
            return len(self._members[audience])
        order = self.resolve(audience)
        for one in order[:-1]:
            self._keep(one)
        return self._bits.count(order[-1])

    def contains(self, audience: Audience | str, person_no: int) -> bool:
        """Whether a person is in it: microseconds for an audience by name, once it is known."""
        return person_no in self.members(audience)

    def sample(self, audience: Audience | str, n: int, seed: str) -> list[int]:
        """``person_no`` of ``n`` members by chance, rising; all when they are fewer.

        The same ``seed`` gives the same of the same members.
        """
        if n < 1:
            raise UsageError("a sample of nobody", expected="1 or more", got=str(n))
        return sampled(self.members(audience), n, seed)

    def resolve(self, audience: Audience | str) -> list[Resolved]:
        """The audience with all that it names, after those that it stands on."""
        given = self._named(audience)
        audiences = self.audiences | {given.name: given}
        book = Book(self._book.tags, audiences, self._book.lists)
        return [resolved(audiences[name], book) for name in in_order([given.name], book)]

    def _named(self, audience: Audience | str) -> Audience:
        if isinstance(audience, Audience):
            return audience
        if audience not in self.audiences:
            raise NotFoundError(
                f"there is no audience {audience!r}",
                expected="one of " + ", ".join(sorted(self.audiences)) if self.audiences
                else "a declared audience: there is none",
                got=audience, todo=meant(audience, self.audiences),
            )
        return self.audiences[audience]

    def _keep(self, one: Resolved) -> AbstractBitMap:
        name = one.audience.name
        if name not in self._members:
            self._members[name] = self._bits.members(one)
        return self._members[name]


def sampled(members: AbstractBitMap, n: int, seed: str) -> list[int]:
    """``n`` of ``members`` by chance, rising; all when they are fewer."""
    count = len(members)
    chosen = random.Random(seed).sample(range(count), min(n, count))
    return [members[place] for place in sorted(chosen)]


def member_query(
    session: Session, audience: Audience, day: date, tags: Sequence[Tag],
    audiences: Sequence[Audience], *, zone: str | None = None,
) -> str:
    """SQL that gives ``one_id, person_no`` of the members on ``day``; needs no bitmaps.

    Runs in the session that the release is open in. ConfigError as by ``Selector``.
    """
    named = {one.name: one for one in audiences} | {audience.name: audience}
    book = Book({tag.name: tag for tag in tags}, named, known_lists(session))
    order = [resolved(named[name], book) for name in in_order([audience.name], book)]
    return whole_query(order, day_of(session, day, zone))


def day_of(session: Session, day: date, zone: str | None = None) -> Day:
    """What queries of the release that is open in ``session`` are of."""
    if zone is None:
        (programme,) = conf.load("programme.yml", Programme)
        zone = programme.zone
    columns = {str(row[0]) for row in session.rows("DESCRIBE tag_values")}

    def column(tag: Tag) -> str:
        for name in (tag.name, *tag.formerly):
            if name in columns:
                return name
        raise NotFoundError(
            f"the tag {tag.name} is not published of {day}",
            expected="a tag of that date", got=tag.name,
            todo="see `guiyi tag list`; a tag is published from the first run after it is declared",
        )

    return Day(day, day_start(day + timedelta(days=1), zone), column)
