"""``/v1/audiences/{name}/handovers``: a version of an audience is handed over, once.

The work is done within the call: an export of a million members takes seconds, and the receiver may
take minutes. Who cannot wait asks again: the same call gives the same hand-over as it stands.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Protocol

from fastapi import APIRouter, Depends, Path, Response
from pydantic import BaseModel, ConfigDict, Field

from services.access.api import needs
from services.access.core import Actor
from services.handovers.core import Handover, State

Reader = Annotated[Actor, Depends(needs("handovers:read"))]
Writer = Annotated[Actor, Depends(needs("handovers:write"))]
Approver = Annotated[Actor, Depends(needs("handovers:approve"))]
Named = Annotated[str, Path(pattern="^[a-z][a-z0-9_]*$", max_length=100)]
Numbered = Annotated[str, Path(pattern="^h[0-9a-f]{24}$")]
NAME = r"^[a-z][a-z0-9_]*$"


class Desk(Protocol):
    """What does the work behind the routes."""

    def push(
        self, audience: str, export: str, destination: str | None, day: date | None, by: Actor
    ) -> tuple[Handover, bool]:
        """The hand-over, delivered if it may be, and whether it is new."""

    def of(self, audience: str) -> list[Handover]:
        """Hand-overs of an audience, oldest first."""

    def decide(self, handover_id: str, by: Actor, is_approved: bool, reason: str) -> Handover:
        """Approve and deliver a hand-over, or refuse it."""


class Push(BaseModel):
    """What is handed over: an export of the audience, to one of its destinations."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"export": "beijing_coffee_women",
                                         "destination": "outbox"}]},
    )
    export: Annotated[str, Field(pattern=NAME, max_length=100)]
    destination: Annotated[str, Field(pattern=NAME, max_length=100)] | None = None
    business_date: date | None = None


class Decision(BaseModel):
    """A second person's word."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"approved": True, "reason": ""}]}
    )
    approved: bool
    reason: Annotated[str, Field(max_length=1000)] = ""


class HandoverView(BaseModel):
    """A hand-over as it stands."""

    handover_id: str
    export: str
    audience: str
    audience_version: str
    business_date: date
    destination: str
    recipe_version: str
    state: State
    requested_by: str
    requested_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    version: str | None
    attempts: int
    delivered_at: datetime | None
    place: str | None
    rows: int | None
    error: str | None


class HandoverList(BaseModel):
    """Hand-overs, oldest first."""

    handovers: list[HandoverView]


def view(one: Handover) -> HandoverView:
    """The hand-over as programs read it."""
    parts = asdict(one)
    return HandoverView(**parts.pop("key"), **parts)


def router(desk: Desk) -> APIRouter:
    """The routes of hand-overs over ``desk``."""
    routes = APIRouter(prefix="/v1", tags=["handovers"])

    @routes.post("/audiences/{name}/handovers", status_code=201)
    def push(actor: Writer, name: Named, body: Push, response: Response) -> HandoverView:
        """Hand a version of the audience over; the same again gives the first one, with 200."""
        one, is_new = desk.push(name, body.export, body.destination, body.business_date, actor)
        response.status_code = 201 if is_new else 200
        return view(one)

    @routes.get("/audiences/{name}/handovers")
    def every(_actor: Reader, name: Named) -> HandoverList:
        """What was handed over of the audience, or waits."""
        return HandoverList(handovers=[view(one) for one in desk.of(name)])

    @routes.post("/handovers/{handover_id}/approval")
    def decide(actor: Approver, handover_id: Numbered, body: Decision) -> HandoverView:
        """Approve a hand-over, which delivers it, or refuse it; never by who asked for it."""
        return view(desk.decide(handover_id, actor, body.approved, body.reason))

    return routes
