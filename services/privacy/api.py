"""``/v1/erasures``: a person is erased, and the receipt is given.

The work is done within the call: it reads the whole landing, and may take minutes. Who cannot wait
asks again: a person who is erased already is answered with 409.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, Field

from services.access.api import needs
from services.access.core import Actor
from services.privacy.core import Receipt

Reader = Annotated[Actor, Depends(needs("privacy:read"))]
Eraser = Annotated[Actor, Depends(needs("privacy:erase"))]
Numbered = Annotated[str, Path(pattern="^e[0-9a-f]{16}$")]


class Desk(Protocol):
    """What does the work behind the routes."""

    def erase(self, who: str, reason: str, by: Actor) -> Receipt:
        """Erase the person whom ``who`` names; the signed receipt."""

    def receipts(self) -> list[Receipt]:
        """Every receipt, the oldest first."""

    def receipt(self, erasure_id: str) -> Receipt:
        """One receipt; NotFoundError when there is none."""


class ErasureRequest(BaseModel):
    """Whom to erase (a one_id, or an identifier as type:value) and why, without naming them.

    A person_no is not taken: any short number names somebody.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"who": "phone:13812345678", "reason": "asked by letter"}]},
    )
    who: Annotated[str, Field(min_length=1, max_length=300, pattern=r"\D|^\d{11,}$")]
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"\S")]


class OldVersions(BaseModel):
    """Releases that hold the person until they are thrown away."""

    releases: list[int]
    until: datetime


class ReceiptView(BaseModel):
    """What was where and how many, signed; see docs/privacy.md."""

    receipt: int
    erasure_id: str
    reason: str
    author: str
    erased_at: datetime
    release: int
    published_at: datetime
    removed: dict[str, Any]
    remembered: dict[str, Any]
    old_versions: OldVersions
    completed: dict[str, Any] | None
    signature: dict[str, str]


class ReceiptList(BaseModel):
    """Receipts, the oldest erasure first."""

    erasures: list[ReceiptView]


def router(desk: Desk) -> APIRouter:
    """The routes of erasures over ``desk``."""
    routes = APIRouter(prefix="/v1/erasures", tags=["privacy"])

    @routes.post("", status_code=201, responses={201: {"model": ReceiptView}})
    def erase(actor: Eraser, body: ErasureRequest) -> dict[str, Any]:
        """Erase a person from everything that is kept; gives the signed receipt."""
        return desk.erase(body.who, body.reason, actor)

    @routes.get("", responses={200: {"model": ReceiptList}})
    def every(_actor: Reader) -> dict[str, list[Receipt]]:
        """Every receipt."""
        return {"erasures": desk.receipts()}

    @routes.get("/{erasure_id}", responses={200: {"model": ReceiptView}})
    def one(_actor: Reader, erasure_id: Numbered) -> dict[str, Any]:
        """The receipt of one erasure, byte for byte what was signed."""
        return desk.receipt(erasure_id)

    return routes
