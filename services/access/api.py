"""Admission of each call: a route says which scope it needs, and the log says who came.

A router of any adapter writes ``actor: Annotated[Actor, Depends(needs("handovers:write"))]``; the
application puts a ``Guard`` at ``app.state.guard``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from services.access import core, store
from services.access.core import Actor, Scope, UnknownKeyError
from services.database import Database

bearer = HTTPBearer(
    scheme_name="key", bearerFormat="guiyi_ID_SECRET", auto_error=False,
    description="A key from `guiyi access key create`.",
)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,99}")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]


@dataclass(frozen=True, slots=True)
class Guard:
    """Admits calls by the keys of a database at the time of ``clock``."""

    database: Database
    clock: Callable[[], datetime]

    def admit(self, token: str | None, scope: Scope, action: str, what: str = "") -> Actor:
        """Who calls; UnknownKeyError or another AccessError. Each call leaves a line in the log."""
        now = self.clock()
        try:
            who = self._bearer_of(token, now)
        except UnknownKeyError:
            with self.database.session() as session:
                store.note_unknown(session, action, now)
            raise
        outcome = "allowed" if scope in who.scopes else "refused"
        with self.database.session() as session:
            store.note(session, who, action, what, now, outcome)
        core.require(who, scope)
        return who

    def _bearer_of(self, token: str | None, now: datetime) -> Actor:
        found = core.parts(token) if token else None
        if found is None:
            raise core.unknown("none" if not token else "a text of another form")
        key_id, secret = found
        with self.database.reading() as session:
            held = store.held(session, key_id)
        return core.admit(held, secret, now)


def require(request: Request, who: Actor, scope: Scope) -> None:
    """AccessError unless ``who`` has one more scope; a refusal leaves a line in the log."""
    guard: Guard = request.app.state.guard
    if scope not in who.scopes:
        action = f"{_action(request)} {scope}"
        with guard.database.session() as session:
            store.note(session, who, action, _named(request), guard.clock(), "refused")
    core.require(who, scope)


def needs(scope: Scope) -> Callable[..., Actor]:
    """A dependency that gives the actor of a call and refuses whoever lacks ``scope``."""

    def admitted(request: Request, credentials: Credentials) -> Actor:
        guard: Guard = request.app.state.guard
        token = credentials.credentials if credentials else None
        return guard.admit(token, scope, _action(request), _named(request))

    return admitted


def _action(request: Request) -> str:
    return f"{request.method} {getattr(request.scope.get('route'), 'path', '')}"


def _named(request: Request) -> str:
    """The name in a path. What has not the form of one may be a phone number, and is left out."""
    name = str(request.path_params.get("name", ""))
    return name if _NAME.fullmatch(name) else ""


Manager = Annotated[Actor, Depends(needs("access:manage"))]


class KeyView(BaseModel):
    """One key as it may be shown: never the key."""

    key_id: str
    name: str
    role: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyList(BaseModel):
    """Keys, oldest first."""

    keys: list[KeyView]


class NoteView(BaseModel):
    """One line of the log: who did what, or was refused it."""

    number: int
    at: datetime
    actor: str
    role: str
    action: str
    what: str
    outcome: str


class NoteList(BaseModel):
    """Lines of the log, newest first."""

    lines: list[NoteView]


def router(database: Database) -> APIRouter:
    """The routes that show keys and the log; keys are made at the command line only."""
    routes = APIRouter(prefix="/v1/access", tags=["access"])

    @routes.get("/keys")
    def keys(_actor: Manager) -> KeyList:
        """All keys: whose, of which role, until when."""
        with database.reading() as session:
            found = store.keys(session)
        return KeyList(keys=[KeyView.model_validate(one, from_attributes=True) for one in found])

    @routes.get("/audit")
    def audit(
        _actor: Manager, limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        before: Annotated[int | None, Query(ge=1, description="Only earlier numbers.")] = None,
    ) -> NoteList:
        """Who did what, and who was refused, newest first."""
        with database.reading() as session:
            found = store.audit(session, limit, before=before)
        return NoteList(
            lines=[NoteView.model_validate(one, from_attributes=True) for one in found]
        )

    return routes
