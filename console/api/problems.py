"""Every error as a problem document (RFC 9457), with what was expected, what came, where, and
what to do.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import duckdb
import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from schemas.errors import (
    AccessError,
    BusyError,
    ConfigError,
    ConflictError,
    DeliveryError,
    GuiyiError,
    InputError,
    NotFoundError,
    NothingToDo,
    NotYetError,
    QualityError,
    StorageError,
    UnreachableError,
    UsageError,
)
from services.access.core import UnknownKeyError
from services.audiences.core import StaleError, UnseenError

MEDIA = "application/problem+json"


class UnfitError(UsageError):
    """A body of another shape than was asked for."""


STATUSES: dict[type[GuiyiError], int] = {
    UnfitError: 422, UnknownKeyError: 401, AccessError: 403, StaleError: 412, UnseenError: 428,
    ConflictError: 409, NotFoundError: 404, ConfigError: 422, UsageError: 400, InputError: 400,
    QualityError: 409, BusyError: 409, NotYetError: 409, NothingToDo: 409, StorageError: 503,
    DeliveryError: 502, UnreachableError: 503, GuiyiError: 500,
}
"""The status of each error; of several that fit, that of the nearest class."""
_log = logging.getLogger("guiyi.api")


class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    expected: str = ""
    got: str = ""
    where: str = ""
    todo: str = ""


def status_of(error: GuiyiError) -> int:
    """The HTTP status that an error is answered with."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def of_error(error: GuiyiError) -> Problem:
    """An error as a problem."""
    status, said = status_of(error), str(error).split("\n")[0]
    return Problem(
        type=_type(status), title=HTTPStatus(status).phrase, status=status, detail=said,
        expected=error.expected, got=error.got, where=error.where, todo=error.todo,
    )


def answer(problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """The response that says it."""
    content = msgspec.json.encode(problem)
    more = dict(headers or {})
    if problem.status == 401:
        more["WWW-Authenticate"] = "Bearer"
    return Response(content, problem.status, more, MEDIA)


def install(app: FastAPI) -> None:
    """Have the application answer each error so."""
    app.add_exception_handler(GuiyiError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(RecursionError, _too_deep)
    app.add_exception_handler(SQLAlchemyError, _unavailable)
    app.add_exception_handler(duckdb.Error, _failed)
    app.add_exception_handler(Exception, _failed)


def plain(status: int, detail: str = "", **more: str) -> Problem:
    """A problem of a status."""
    return Problem(
        type=_type(status), title=HTTPStatus(status).phrase, status=status, detail=detail, **more
    )


def _type(status: int) -> str:
    return f"urn:guiyi:problem:{HTTPStatus(status).phrase.lower().replace(' ', '-')}"


async def _ours(_request: Request, error: Any) -> Response:
    more = {"Retry-After": "5"} if isinstance(error, BusyError | NotYetError) else {}
    return answer(of_error(error), more)


async def _http(request: Request, error: Any) -> Response:
    detail = error.detail if error.detail != HTTPStatus(error.status_code).phrase else ""
    todo = "see /docs for what there is" if error.status_code in (404, 405) else ""
    got = f"{request.method} {request.url.path}" if error.status_code in (404, 405) else ""
    return answer(plain(error.status_code, detail, got=got, todo=todo), error.headers)


async def _invalid(_request: Request, error: Any) -> Response:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return answer(
        plain(422, "a parameter does not fit", expected=str(first["msg"]), where=where,
              got=str(first.get("input", ""))[:200], todo="see /docs")
    )


async def _too_deep(_request: Request, _error: Exception) -> Response:
    return answer(plain(422, "the body is nested too deep", todo="write it flatter"))


async def _unavailable(_request: Request, error: Exception) -> Response:
    _log.error("the services' database failed: %s", type(error).__name__)
    return answer(plain(503, "the services' database does not answer"), {"Retry-After": "5"})


async def _failed(request: Request, error: Exception) -> Response:
    route = getattr(request.scope.get("route"), "path", "")
    _log.error("%s %s failed", request.method, route, exc_info=error)
    return answer(plain(500, "this is a fault of the program", todo="tell who runs it"))
