"""Hand-overs done: the export is written, goes to its destination, and the record says so."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from jobs import exports
from jobs.audiences import together
from jobs.settings import Settings
from lake import crash, locks
from lake.destinations import Package, Receipt, open_place
from lake.store import Lake
from pipelines.audiences import version
from schemas.destinations import Destination
from schemas.errors import DeliveryError, GuiyiError, NotFoundError, UsageError
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

        The export is written at once, so that whoever approves it sees what would leave.
        """
        cut = self.lake.release(day).cut
        audiences = together(self.lake, self.settings.audiences, cut)
        audience = exports.audience_of(audiences, recipe)
        key = Key(recipe.name, audience.name, version(audience), day, place.name)
        manifest, _ = exports.run(self.lake, self.settings, recipe, day, self._base(recipe, place))
        with self.database.session() as session:
            one, is_new = store.request(
                session, key, by.name, self.clock(), needs_approval=place.approval
            )
            if is_new:
                one = store.move(session, one, one.state, version=manifest["version"])
                note(session, by, "handovers.request", one.handover_id, self.clock())
        return one, is_new

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

        DeliveryError or UnreachableError when the receiver did not take it; that is noted, and the
        next call tries again.
        """
        with locks.exclusive(self.lake.root / "locks", f"handover-{handover_id}", WAIT_S):
            one = self.find(handover_id)
            if one.state == "delivered":
                return one
            core.require_deliverable(one)
            recipe = exports.find(self.settings, one.key.export)
            place = self.place_of(recipe, one.key.destination)
            with self.database.session() as session:
                one = store.move(session, one, "delivering", is_attempt=True, error=None)
            crash.point("handover.before_delivery")
            try:
                name, receipt = self._hand_over(one, recipe, place)
            except GuiyiError as error:
                with self.database.session() as session:
                    store.move(session, one, "failed", error=str(error).split("\n")[0])
                raise
            crash.point("handover.before_record")
            with self.database.session() as session:
                one = store.move(
                    session, one, "delivered", version=name, delivered_at=self.clock(),
                    place=receipt.where, rows=receipt.rows,
                )
                note(session, by, "handovers.deliver", handover_id, self.clock())
        return one

    def _hand_over(
        self, one: Handover, recipe: Export, place: Destination
    ) -> tuple[str, Receipt]:
        """Deliver the version written before, or what has changed since then if it is a delta."""
        base = self._base(recipe, place)
        manifest, _ = exports.run(self.lake, self.settings, recipe, one.key.business_date, base)
        name = str(manifest["version"])
        package = Package.open(self.lake.exports, recipe.name, name)
        return name, open_place(place, self.lake.root).deliver(package)

    def _tried(self, handover_id: str, by: Actor) -> Handover:
        try:
            return self.deliver(handover_id, by)
        except DeliveryError:
            return self.find(handover_id)

    def _base(self, recipe: Export, place: Destination) -> str | None:
        """For a delta: the version that the destination has."""
        if not recipe.delta:
            return None
        with self.database.reading() as session:
            last = store.last_delivered(session, recipe.name, place.name)
        return last.version if last else None

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
