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

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

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
