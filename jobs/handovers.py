"""Hand-overs done: the export is written, goes to its destination, and the record says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime

import msgspec

from jobs import exports
from jobs.audiences import together
from jobs.settings import Settings
from lake import crash, locks
from lake import exports as written
from lake.destinations import Package, open_place
from lake.store import Lake
from pipelines.audiences import version
from pipelines.exports import check, recipe_version
from schemas.destinations import Destination
from schemas.errors import ConfigError, ConflictError, GuiyiError, NotFoundError, UsageError
from schemas.exports import Export
from services.access.core import Actor
from services.access.store import note
from services.database import Database
from services.handovers import core, store
from services.handovers.core import Handover, Key

WAIT_S = 600.0
"""How long a call waits for another one that delivers the same."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Takes requests for hand-overs and does them: ``services.handovers.api.Desk``."""

    lake: Lake
    settings: Settings
    database: Database
    clock: Callable[[], datetime]

    def push(
        self, audience: str, export: str, destination: str | None, day: date | None, by: Actor
    ) -> tuple[Handover, bool]:
        """The hand-over as it stands after this call, and whether it is new.

        A delivery that failed is told in the hand-over, and tried again by the next call.
        """
        recipe = exports.find(self.settings, export)
        if recipe.audience != audience:
            raise UsageError(
                f"the export {export} is of another audience", expected=f"audience {audience}",
                got=f"audience {recipe.audience}", where="export",
            )
        place = self.place_of(recipe, destination)
        one, is_new = self.request(recipe, place, day or self.lake.release().business_date, by)
        if one.state in core.DELIVERABLE:
            one = self._tried(one.handover_id, by)
        return one, is_new

    def of(self, audience: str) -> list[Handover]:
        """Hand-overs of an audience, oldest first; NotFoundError for one that there is not."""
        known = {
            one.name for one in together(self.lake, self.settings.audiences, self.clock())
        }
        with self.database.reading() as session:
            found = store.every(session, audience=audience)
        if not found and audience not in known:
            raise NotFoundError(
                f"there is no audience {audience!r}",
                expected="one of " + ", ".join(sorted(known)), got=audience,
            )
        return found

    def decide(self, handover_id: str, by: Actor, is_approved: bool, reason: str) -> Handover:
        """Approve a hand-over, which delivers it, or refuse it."""
        self.settle(handover_id, by, is_approved, reason)
        if is_approved:
            return self._tried(handover_id, by)
        return self.find(handover_id)

    def every(self, export: str | None = None) -> list[Handover]:
        """Hand-overs of an export, or of all, oldest first."""
        with self.database.reading() as session:
            return store.every(session, export=export)

    def find(self, handover_id: str) -> Handover:
        """One hand-over as it stands."""
        with self.database.reading() as session:
            return store.find(session, handover_id)

    def request(
        self, recipe: Export, place: Destination, day: date, by: Actor
    ) -> tuple[Handover, bool]:
        """Ask for a hand-over of the release of ``day``; the same again is the first one.

        The export is written at once, so that whoever approves it sees what would leave; and anew
        where that version can no longer be delivered. ConflictError for a delta that would go back.
        """
        cut = self.lake.release(day).cut
        audiences = together(self.lake, self.settings.audiences, cut)
        audience = exports.audience_of(audiences, recipe)
        key = Key(recipe.name, audience.name, version(audience, audiences), day, place.name,
                  recipe_version(recipe))
        with self._alone(key):
            with self.database.reading() as session:
                first = store.known(session, key.handover_id)
            if first is not None and (first.state in core.ENDED or not self._lost(first)):
                return first, False
            return self._written(key, recipe, place, by), True

    def _written(self, key: Key, recipe: Export, place: Destination, by: Actor) -> Handover:
        """A hand-over at its beginning, new or anew, with its version."""
        self._require_forward(key, recipe)
        last = self._last(key) if recipe.delta else None
        manifest, _ = exports.run(
            self.lake, self.settings, recipe, key.business_date, last.version if last else None
        )
        now = self.clock()
        with self.database.session() as session:
            one, _ = store.request(session, key, by.name, now, needs_approval=place.approval)
            one = store.move(
                session, one, "requested" if place.approval else "approved",
                version=manifest["version"], requested_by=by.name, requested_at=now,
                decided_by=None, decided_at=None, reason=None, error=None,
            )
            note(session, by, "handovers.request", one.handover_id, now)
        return one

    def settled(
        self, recipe: Export, place: Destination, day: date, by: Actor
    ) -> tuple[Handover, bool]:
        """Ask for a hand-over and deliver it if it may be; and whether anything was done."""
        one, is_new = self.request(recipe, place, day, by)
        if one.state not in core.DELIVERABLE:
            return one, is_new
        return self.deliver(one.handover_id, by), True

    def settle(self, handover_id: str, by: Actor, is_approved: bool, reason: str = "") -> Handover:
        """Note a second person's decision, and do nothing yet."""
        with self.database.session() as session:
            one = store.find(session, handover_id)
            core.require_decidable(one, by.name)
            now = self.clock()
            state: core.State = "approved" if is_approved else "refused"
            one = store.move(
                session, one, state, decided_by=by.name, decided_at=now, reason=reason or None
            )
            note(session, by, f"handovers.{'approve' if is_approved else 'refuse'}",
                 handover_id, now)
        return one

    def deliver(self, handover_id: str, by: Actor) -> Handover:
        """Deliver what may be delivered; one process at a time, and once.

        DeliveryError, UnreachableError or StorageError when the receiver did not take it; that is
        noted, and the next call tries again. ConflictError when what was requested is no more.
        """
        one, error = self._attempted(handover_id, by)
        if error is not None:
            raise error
        return one

    def _attempted(self, handover_id: str, by: Actor) -> tuple[Handover, GuiyiError | None]:
        """The hand-over after an attempt, and the error that it notes."""
        with self._alone(self.find(handover_id).key):
            one = self.find(handover_id)
            if one.state == "delivered":
                return one, None
            core.require_deliverable(one)
            place = self._place_as_requested(one)
            with self.database.session() as session:
                one = store.move(session, one, "delivering", is_attempt=True, error=None)
            crash.point("handover.before_delivery")
            try:
                package = Package.open(self.lake.exports, one.key.export, str(one.version))
                receipt = open_place(place, self.lake.root).deliver(package)
            except GuiyiError as error:
                with self.database.session() as session:
                    one = store.move(session, one, "failed", error=str(error).split("\n")[0])
                return one, error
            crash.point("handover.before_record")
            with self.database.session() as session:
                one = store.move(
                    session, one, "delivered", delivered_at=self.clock(), place=receipt.where,
                    rows=receipt.rows,
                )
                note(session, by, "handovers.deliver", handover_id, self.clock())
        return one, None

    def _tried(self, handover_id: str, by: Actor) -> Handover:
        return self._attempted(handover_id, by)[0]

    @contextmanager
    def _alone(self, key: Key) -> Iterator[None]:
        """One at a time for an export and a destination, so that deltas come one after another."""
        name = f"handover-{key.export}-{key.destination}"
        with locks.exclusive(self.lake.root / "locks", name, WAIT_S):
            yield

    def _place_as_requested(self, one: Handover) -> Destination:
        """Where the version goes; ConflictError unless it is still what was asked for."""
        exports.require_no_erasure(self.lake, self.lake.release())
        name, lost = one.key.destination, self._lost(one)
        if not lost:
            manifest = written.manifest(self.lake.exports, one.key.export, str(one.version))
            recipe = msgspec.convert(manifest["recipe"], Export)
            self._require_forward(one.key, recipe)
            try:
                sent = msgspec.structs.replace(recipe, destinations=[name], tags=[])
                check(sent, [], self.settings.destinations)
                return self.place_of(exports.find(self.settings, one.key.export), name)
            except (ConfigError, NotFoundError, UsageError) as error:
                lost = str(error).split("\n")[0]
        raise ConflictError(
            f"the hand-over {one.handover_id} can no longer be delivered as it was requested",
            expected="version, definition and destination as they were", got=lost,
            where=f"hand-over {one.handover_id}", todo="ask for it anew",
        )

    def _lost(self, one: Handover) -> str:
        """Why the version of a hand-over can no longer be delivered; empty when it can."""
        if not one.version or not written.has(self.lake.exports, one.key.export, one.version):
            return f"the version {one.version} was withdrawn or is gone"
        manifest = written.manifest(self.lake.exports, one.key.export, one.version)
        last = self._last(one.key)
        if manifest["kind"] == "delta" and (last is None or manifest["base"] != last.version):
            return f"a delta since {manifest['base']}, and something else was delivered since"
        return ""

    def _require_forward(self, key: Key, recipe: Export) -> None:
        """ConflictError for a delta of a date that is not after what the destination has."""
        last = self._last(key)
        if recipe.delta and last is not None and key.business_date <= last.key.business_date:
            raise ConflictError(
                f"a delta of {key.export} cannot go back in time",
                expected=f"a date after {last.key.business_date}, which {key.destination} has",
                got=str(key.business_date), where=f"export {key.export}",
                todo="hand over a newer date; a full export may be of any",
            )

    def _last(self, key: Key) -> Handover | None:
        """What the destination was given last of the export."""
        with self.database.reading() as session:
            return store.last_delivered(session, key.export, key.destination)

    def place_of(self, recipe: Export, name: str | None) -> Destination:
        """The destination called ``name``, or the only one; UsageError where that is not clear."""
        if name is None and len(recipe.destinations) == 1:
            name = recipe.destinations[0]
        if name not in recipe.destinations:
            raise UsageError(
                f"the export {recipe.name} does not go there",
                expected="one of " + ", ".join(recipe.destinations) if recipe.destinations
                else "a destination, but it has none", got=str(name), where="destination",
            )
        return next(one for one in self.settings.destinations if one.name == name)
