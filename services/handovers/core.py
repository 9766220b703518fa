"""Decisions about hand-overs, without clock, database or network.

    requested ── approved ── delivering ── delivered
        │                        └──────── failed ── (delivering)
        └─ refused

A hand-over to a destination that asks for no approval begins as approved. One that was delivering
when its process ended is delivering still, and is delivered again: the receiver knows the version.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

import msgspec

from schemas.errors import AccessError, ConflictError

State = Literal["requested", "approved", "delivering", "delivered", "refused", "failed"]
DELIVERABLE: tuple[State, ...] = ("approved", "delivering", "failed")
ENDED: tuple[State, ...] = ("delivered", "refused")


@dataclass(frozen=True, slots=True)
class Key:
    """What is handed over once: an export of an audience version, of a date, to a destination."""

    export: str
    audience: str
    audience_version: str
    business_date: date
    destination: str
    recipe_version: str
    """Fingerprint of what the export's definition says of its files."""

    @property
    def handover_id(self) -> str:
        """The id that this hand-over has, whoever asks for it and how often."""
        parts = (self.export, self.audience, self.audience_version, str(self.business_date),
                 self.destination, self.recipe_version)
        return "h" + hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Handover:
    """One hand-over as it stands. ``version`` is that of the export, once it is written."""

    handover_id: str
    key: Key
    state: State
    requested_by: str
    requested_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None
    version: str | None = None
    attempts: int = 0
    delivered_at: datetime | None = None
    place: str | None = None
    rows: int | None = None
    error: str | None = None


def require_decidable(one: Handover, by: str) -> None:
    """ConflictError unless it waits for a decision, AccessError for who asked for it."""
    if one.state != "requested":
        raise ConflictError(
            f"the hand-over {one.handover_id} waits for no decision", expected="state requested",
            got=f"state {one.state}", where=f"hand-over {one.handover_id}",
        )
    if by.strip().casefold() == one.requested_by.strip().casefold():
        raise AccessError(
            "who asks for a hand-over does not approve it", expected="a second person", got=by,
            where=f"hand-over {one.handover_id}", todo="have somebody else look at it",
        )


def require_deliverable(one: Handover) -> None:
    """ConflictError unless it may be delivered now."""
    if one.state not in DELIVERABLE:
        todo = {"requested": "a second person approves it first",
                "delivered": "it was handed over; that happens once"}
        raise ConflictError(
            f"the hand-over {one.handover_id} cannot be delivered",
            expected="state " + " or ".join(DELIVERABLE), got=f"state {one.state}",
            where=f"hand-over {one.handover_id}", todo=todo.get(one.state, ""),
        )
