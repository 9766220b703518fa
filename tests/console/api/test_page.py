"""What docs/api.md says holds."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

from services.access.core import ROLES, Scope
from tests.console.api.calling import AUDIENCE, Caller

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()


def test_the_table_of_scopes_is_what_roles_may() -> None:
    roles = [cell.strip() for cell in re.findall(r"\| scope \|(.*)\|", PAGE)[0].split("|")][1:]
    rows = re.findall(r"^\| `([a-z]+:[a-z]+)` \|[^|]*\|(.*)\|$", PAGE, re.M)
    told = {
        scope: {role for role, cell in zip(roles, cells.split("|"), strict=True) if cell.strip()}
        for scope, cells in rows
    }
    assert told == {
        scope: {role for role, scopes in ROLES.items() if scope in scopes}
        for scope in get_args(Scope)
    }


def test_the_preview_of_the_page_is_answered(call: Caller) -> None:
    body = re.search(r"/v1/audiences/preview -d '(\{.*?\})'", PAGE, re.S)
    assert body
    found = call("POST", "/v1/audiences/preview", content=body[1])
    assert found.status_code == 200
    assert len(found.json()["sample"]) == 3


def test_the_problem_of_the_page_is_what_comes(call: Caller) -> None:
    (told,) = re.findall(r'^\{"type".*?\}$', PAGE, re.S | re.M)
    good = {"field": "likes_coffee", "operator": "=", "value": True}
    rules = [good, {"field": "citty", "operator": "=", "value": "x"}]
    wrong = AUDIENCE | {"query": {"combinator": "and", "rules": rules}}
    found = call("POST", "/v1/audiences", json=wrong).json()
    assert {name: found[name] for name in json.loads(told)} == json.loads(told)


def test_every_path_of_the_page_is_there(call: Caller) -> None:
    paths = set(call("GET", "/openapi.json").json()["paths"])
    known = [re.compile(re.sub(r"\\\{[a-z_]+\\\}", "[^/]+", re.escape(path))) for path in paths]
    for path in re.findall(r"(/v1/[a-z_/{}0-9]+)", PAGE):
        assert any(one.fullmatch(path) for one in known), path
