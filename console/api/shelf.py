"""Releases kept open: each opened once per process, and all let go when a newer one is there."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date

import duckdb
from pyroaring import AbstractBitMap

from lake.engines.duckdb import Session
from lake.releases import Release
from lake.store import Lake
from pipelines.audiences import version
from pipelines.audiences.view import View
from pipelines.erasure import veil
from pipelines.tags.published import TagBitmaps
from schemas.audiences import Audience
from schemas.errors import GuiyiError, NotFoundError, StorageError
from schemas.tag_definitions import Tag

KEPT_RELEASES, SEATS, KEPT_MEMBERS = 3, 4, 64
MEMORY = "600MB"
USES = 200
"""A view keeps what it computed for each definition: so often it is used, then made anew."""


@dataclass(slots=True)
class Seat:
    """One session of a release, for one request at a time, with the view it last gave."""

    session: Session
    view: View | None = None
    book: tuple[tuple[str, str], ...] = ()
    uses: int = 0


@dataclass(slots=True)
class Opened:
    """A release as one request sees it, whole, whatever is published meanwhile."""

    release: Release
    session: Session
    shared: Shared
    seat: Seat
    tags: Sequence[Tag]
    zone: str

    @property
    def date(self) -> date:
        """The date it speaks of."""
        return self.release.business_date

    def view(self, audiences: Sequence[Audience]) -> View:
        """Audiences over this release, where these may be named by others."""
        book, seat = _book(audiences), self.seat
        if seat.view is None or seat.book != book or seat.uses >= USES:
            seat.view = View(
                self.session, self.shared.lake.snapshots, self.date, self.tags, audiences,
                zone=self.zone, bitmaps=self.shared.bitmaps(self.session),
            )
            seat.book, seat.uses = book, 0
        seat.uses += 1
        return seat.view

    def members(self, audience: Audience, audiences: Sequence[Audience]) -> AbstractBitMap:
        """``person_no`` of who is in it; nobody may change the answer."""
        key = (version(audience), _book(audiences))
        found = self.shared.recall(key)
        if found is None:
            found = self.view(audiences).members(audience)
            self.shared.remember(key, found)
        return found


Key = tuple[str, tuple[tuple[str, str], ...]]


def _book(audiences: Sequence[Audience]) -> tuple[tuple[str, str], ...]:
    return tuple((one.name, version(one)) for one in audiences)


@dataclass(slots=True)
class Shared:
    """What the requests on one release have in common."""

    lake: Lake
    release: Release
    idle: list[Seat] = field(default_factory=list)
    seats: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(SEATS))
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_retired: bool = False
    _bitmaps: TagBitmaps | None = None
    _members: OrderedDict[Key, AbstractBitMap] = field(default_factory=OrderedDict)

    @contextmanager
    def seat(self) -> Iterator[Seat]:
        """A session that nobody else uses meanwhile; what broke is not used again."""
        with self.seats:
            with self.lock:
                seat = self.idle.pop() if self.idle else None
            seat = seat or self._fresh()
            try:
                yield seat
            except GuiyiError:
                self._give_back(seat)
                raise
            except duckdb.IOException as error:
                seat.session.con.close()
                raise self._gone() from error
            except BaseException:
                seat.session.con.close()
                raise
            self._give_back(seat)

    def bitmaps(self, session: Session) -> TagBitmaps:
        """The tags' bitmaps, opened once."""
        with self.lock:
            if self._bitmaps is None:
                day = self.release.business_date
                self._bitmaps = TagBitmaps.of(session, self.lake.snapshots, day)
            return self._bitmaps

    def recall(self, key: Key) -> AbstractBitMap | None:
        """Members that were computed before."""
        with self.lock:
            if key in self._members:
                self._members.move_to_end(key)
            return self._members.get(key)

    def remember(self, key: Key, members: AbstractBitMap) -> None:
        """Keep members for the next page."""
        with self.lock:
            self._members[key] = members
            if len(self._members) > KEPT_MEMBERS:
                self._members.popitem(last=False)

    def retire(self) -> None:
        """Close what is idle now, and the rest when it comes back."""
        with self.lock:
            self.is_retired, idle, self.idle = True, self.idle, []
        for seat in idle:
            seat.session.con.close()

    def _fresh(self) -> Seat:
        spill = self.lake.root / "cache" / "spill"
        session = Session(spill, memory=MEMORY)
        try:
            veil.opened(self.lake, self.release, session)
        except StorageError as error:
            session.con.close()
            raise self._gone() from error
        return Seat(session)

    def _gone(self) -> NotFoundError:
        return NotFoundError(
            f"release {self.release.release_no} is no longer kept", expected="a kept release",
            got=str(self.release.release_no), where="as_of",
            todo="take a newer one; see GET /v1/releases",
        )

    def _give_back(self, seat: Seat) -> None:
        with self.lock:
            if not self.is_retired:
                self.idle.append(seat)
                return
        seat.session.con.close()


class Shelf:
    """The open releases of a lake."""

    def __init__(self, lake: Lake, tags: Sequence[Tag], zone: str) -> None:
        self._lake, self._tags, self._zone = lake, tags, zone
        self._lock = threading.Lock()
        self._mark: object = None
        self._chosen: dict[date | int | None, Release] = {}
        self._open: OrderedDict[int, Shared] = OrderedDict()
        self._here = threading.local()

    @contextmanager
    def open(self, as_of: date | int | None = None) -> Iterator[Opened]:
        """The newest release, or that of a date or number; NotFoundError where there is none.

        Not twice in one thread: callers that each hold a seat and ask for one more would wait for
        one another.
        """
        shared = self._shared(as_of)
        held: set[int] = self._here.__dict__.setdefault("held", set())
        number = shared.release.release_no
        assert number not in held, f"release {number} is open in this thread already"
        with shared.seat() as seat:
            held.add(number)
            try:
                yield Opened(shared.release, seat.session, shared, seat, self._tags, self._zone)
            finally:
                held.discard(number)

    def release(self, as_of: date | int | None = None) -> Release:
        """The newest release, or that of a date or number, without opening it."""
        with self._lock:
            return self._choose(as_of)

    def releases(self) -> list[Release]:
        """All releases, oldest first."""
        return self._lake.releases()

    def close(self) -> None:
        """Let every release go."""
        with self._lock:
            self._let_go()

    def _shared(self, as_of: date | int | None) -> Shared:
        with self._lock:
            release = self._choose(as_of)
            if release.release_no not in self._open:
                self._open[release.release_no] = Shared(self._lake, release)
            self._open.move_to_end(release.release_no)
            while len(self._open) > KEPT_RELEASES:
                self._open.popitem(last=False)[1].retire()
            return self._open[release.release_no]

    def _choose(self, as_of: date | int | None) -> Release:
        mark = self._lake.last_published()
        if mark != self._mark:
            # An erasure rewrites old releases too, so that none is kept over a publication.
            self._let_go()
            self._mark = mark
        if as_of not in self._chosen:
            self._chosen[as_of] = self._lake.release(as_of)
        return self._chosen[as_of]

    def _let_go(self) -> None:
        for shared in self._open.values():
            shared.retire()
        self._open.clear()
        self._chosen.clear()
