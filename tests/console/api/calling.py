"""Calls of an application in process, and of one that listens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from fastapi import FastAPI

from services.access import core, store
from services.access.core import Role
from services.database import Database

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
AUDIENCE = {
    "name": "coffee_in_beijing", "label": "Who likes coffee in Beijing",
    "query": {"combinator": "and", "rules": [
        {"field": "likes_coffee", "operator": "=", "value": True},
        {"field": "city", "operator": "=", "value": "北京"},
    ]},
}


@dataclass
class Clock:
    """A clock that stands until it is moved."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


@dataclass(frozen=True)
class Caller:
    """Calls the application with a key, or with none."""

    app: FastAPI
    key: str | None

    def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The answer; an error that the application does not answer is an answer 500."""
        return asyncio.run(self.ask(method, path, **more))

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """The same, beside other calls."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        headers |= more.pop("headers", {})
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path, headers=headers, **more)


def key_of(database: Database, role: Role, at: datetime = NOW) -> str:
    """A new key of a role, that bears the role's name."""
    with database.session() as session:
        by = core.actor("root", "admin")
        return store.create(session, role, role, by, at, timedelta(days=30))


async def at_once(call: Caller, count: int, method: str, path: str, **more: Any) -> set[bytes]:
    """The different answers of ``count`` calls made together."""
    answers = await asyncio.gather(*(call.ask(method, path, **more) for _ in range(count)))
    return {answer.content for answer in answers}
