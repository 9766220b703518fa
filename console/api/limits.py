"""A body that is too large is refused before it is read."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from console.api.problems import answer, plain

LARGEST = 1 << 20
"""Bytes of a request's body: an audience of thousands of leaves has a tenth of it."""


class BodyLimit:
    """ASGI middleware that answers 413 to bodies of more than ``LARGEST`` bytes."""

    def __init__(self, app: ASGIApp, largest: int = LARGEST) -> None:
        self._app, self._largest = app, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the call on, unless its body is, or turns out to be, too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = await self._read(scope, receive)
        if body is None:
            problem = plain(
                413, "the body is too large", expected=f"at most {self._largest} bytes",
                todo="send less at once",
            )
            await answer(problem)(scope, receive, send)
            return
        is_given = False

        async def given() -> Message:
            nonlocal is_given
            if is_given:
                return await receive()
            is_given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, given, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        """The body; None when it is too large, told from its header where there is one."""
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._largest:
                return None
        parts, size, is_more = [], 0, True
        while is_more:
            message = await receive()
            if message["type"] != "http.request":
                break
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            is_more = message.get("more_body", False)
            if size > self._largest:
                return None
        return b"".join(parts)
