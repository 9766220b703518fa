from __future__ import annotations

from typing import Any

import pytest

from console.api.limits import LARGEST
from console.api.problems import of_error, status_of
from schemas import errors
from schemas.errors import GuiyiError
from tests.console.api.calling import AUDIENCE, Caller


@pytest.mark.parametrize(("method", "path", "more", "status", "told"), [
    ("GET", "/nothing", {}, 404, {"got": "GET /nothing"}),
    ("DELETE", "/v1/tags", {}, 405, {"got": "DELETE /v1/tags"}),
    ("GET", "/v1/releases?limit=x", {}, 422, {"where": "query.limit", "got": "x"}),
    ("GET", "/v1/releases?limit=1001", {}, 422, {"where": "query.limit"}),
    ("GET", "/v1/audiences/beijing_coffee_women/members?limit=10001", {}, 422, {}),
    ("GET", "/v1/releases/99", {}, 404, {"got": "99"}),
    ("GET", "/v1/tags?as_of=yesterday", {}, 400, {"where": "as_of"}),
    ("GET", "/v1/tags?as_of=1999-01-01", {}, 404, {"got": "1999-01-01"}),
    ("GET", "/v1/tags/none", {}, 404, {"got": "none"}),
    ("POST", "/v1/audiences", {"content": b"{"}, 400, {"detail": "the body is not JSON"}),
    ("POST", "/v1/audiences", {"content": b"\xff"}, 400, {}),
    ("POST", "/v1/audiences", {"content": b""}, 400, {}),
    ("POST", "/v1/audiences", {"content": b"[]"}, 422, {"where": "$"}),
    ("POST", "/v1/audiences", {"content": b" " * (LARGEST + 1)}, 413, {}),
    ("PUT", "/v1/audiences/other", {"json": AUDIENCE}, 422, {"where": "$.name"}),
    ("PUT", "/v1/audiences/coffee_in_beijing", {"json": AUDIENCE, "headers": {"If-Match": "1"}},
     400, {"where": "If-Match"}),
])
def test_every_error_is_a_problem_that_says_what_to_do(
    call: Caller, method: str, path: str, more: dict[str, Any], status: int, told: dict[str, str]
) -> None:
    found = call(method, path, **more)
    assert found.status_code == status, found.text
    assert found.headers["content-type"] == "application/problem+json"
    problem = found.json()
    assert problem["status"] == status
    assert problem["type"].startswith("urn:guiyi:problem:")
    assert told.items() <= problem.items()


def test_a_body_without_a_length_is_counted_as_it_comes(call: Caller) -> None:
    async def parts() -> Any:
        for _ in range(3):
            yield b" " * (LARGEST // 2)

    assert call("POST", "/v1/audiences", content=parts()).status_code == 413


def test_every_error_of_ours_has_a_status() -> None:
    kinds = [value for value in vars(errors).values()
             if isinstance(value, type) and issubclass(value, GuiyiError)]
    assert {kind for kind in kinds if status_of(kind("x")) == 500} == {GuiyiError}


def test_the_parts_of_an_error_are_members_of_the_problem() -> None:
    error = GuiyiError("it broke", expected="a", got="b", where="c", todo="d")
    told = of_error(error)
    assert (told.detail, told.expected, told.got, told.where, told.todo) == (
        "it broke", "a", "b", "c", "d"
    )
