from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from lake.store import Lake
from services.access import store
from services.access.core import ROLES, Role, Scope, actor
from services.database import Database
from tests.console.api.calling import AUDIENCE, NOW, Caller, Clock, key_of

WOMEN, SAMPLE = "/v1/audiences/beijing_coffee_women", {"audience": AUDIENCE, "tags": ["city"]}
CALLS: list[tuple[set[Scope], str, str, Any, int]] = [
    ({"audiences:read"}, "GET", "/v1/audiences", None, 200),
    ({"audiences:read"}, "GET", WOMEN, None, 200),
    ({"audiences:read"}, "GET", f"{WOMEN}/versions", None, 200),
    ({"audiences:read"}, "GET", f"{WOMEN}/members", None, 200),
    ({"audiences:read", "persons:read"}, "GET", f"{WOMEN}/explain/WHO", None, 200),
    ({"audiences:read", "persons:read"}, "POST", f"{WOMEN}/explain", {"who": "WHO"}, 200),
    ({"audiences:read"}, "POST", "/v1/audiences/preview", {"audience": AUDIENCE}, 200),
    ({"audiences:read"}, "POST", "/v1/audiences/preview", SAMPLE | {"sample": 0}, 200),
    ({"audiences:read", "persons:read"}, "POST", "/v1/audiences/preview", SAMPLE, 200),
    ({"audiences:write"}, "POST", "/v1/audiences", AUDIENCE, 200),
    ({"audiences:write"}, "PUT", f"/v1/audiences/{AUDIENCE['name']}", AUDIENCE, 200),
    ({"tags:read"}, "GET", "/v1/tags", None, 200),
    ({"tags:read"}, "GET", "/v1/tags/city", None, 200),
    ({"persons:read"}, "GET", "/v1/persons/WHO", None, 200),
    ({"persons:read"}, "POST", "/v1/persons/find", {"who": "WHO"}, 200),
    ({"persons:clear"}, "GET", "/v1/persons/WHO?clear=true", None, 200),
    ({"persons:clear"}, "POST", "/v1/persons/find?clear=true", {"who": "WHO"}, 200),
    ({"releases:read"}, "GET", "/v1/releases", None, 200),
    ({"releases:read"}, "GET", "/v1/releases/1", None, 200),
    ({"handovers:read"}, "GET", f"{WOMEN}/handovers", None, 200),
    ({"handovers:write"}, "POST", f"{WOMEN}/handovers", {"export": "none"}, 404),
    ({"handovers:approve"}, "POST", f"/v1/handovers/h{'0' * 24}/approval", {"approved": True},
     404),
    ({"access:manage"}, "GET", "/v1/access/keys", None, 200),
    ({"access:manage"}, "GET", "/v1/access/audit?limit=1", None, 200),
    ({"privacy:read"}, "GET", "/v1/erasures", None, 200),
    ({"privacy:read"}, "GET", f"/v1/erasures/e{'0' * 16}", None, 404),
    ({"privacy:erase"}, "POST", "/v1/erasures", {"who": "nobody", "reason": "asked"}, 404),
]
"""The scopes that a call needs, and its status; hand-overs and erasures are of an empty lake."""


def somebody(lake: Lake) -> tuple[str, int]:
    """The one_id and the person_no of a person of the newest release."""
    with lake.reader() as session:
        ((one_id, person_no),) = session.rows(
            "SELECT one_id, person_no FROM persons ORDER BY person_no LIMIT 1"
        )
    return str(one_id), int(str(person_no))


def log(database: Database) -> list[tuple[str, str, str, str]]:
    """The lines of the log, oldest first."""
    with database.reading() as session:
        return [(line.actor, line.action, line.what, line.outcome)
                for line in reversed(store.audit(session, 999))]


@pytest.mark.parametrize("role", list(ROLES))
def test_a_role_may_what_its_scopes_say_and_nothing_else(
    role: Role, app: FastAPI, database: Database, sample_lake: Lake
) -> None:
    admin, call = Caller(app, key_of(database, "admin")), Caller(app, key_of(database, role))
    admin("POST", "/v1/audiences", json=AUDIENCE)
    who, _ = somebody(sample_lake)
    for scopes, method, path, body, status in CALLS:
        sent = {"who": who} if body == {"who": "WHO"} else body
        found = call(method, path.replace("WHO", who), json=sent)
        allowed = status if scopes <= ROLES[role] else 403
        assert found.status_code == allowed, (method, path, found.text)


def test_the_log_says_by_number_whose_values_were_read(
    app: FastAPI, database: Database, sample_lake: Lake
) -> None:
    call = Caller(app, key_of(database, "analyst"))
    one_id, number = somebody(sample_lake)
    call("GET", f"{WOMEN}/explain/{one_id}")
    call("POST", "/v1/persons/find", json={"who": one_id})
    sample = call("POST", "/v1/audiences/preview", json=SAMPLE | {"sample": 2}).json()["sample"]
    done = [(action, what) for _, action, what, outcome in log(database) if outcome == "done"]
    assert done[1:] == [
        ("audiences.explain", f"{number} beijing_coffee_women"), ("persons.read", str(number)),
        *(("audiences.preview", str(one["person_no"])) for one in sample),
    ]
    assert one_id not in str(log(database))


def test_every_route_but_health_needs_a_key(app: FastAPI) -> None:
    for path, methods in app.openapi()["paths"].items():
        for method in methods:
            found = Caller(app, None)(method.upper(), path.replace("{number}", "1"), json={})
            if path == "/health":
                assert found.status_code == 200
                continue
            assert found.status_code == 401, (method, path)
            assert found.headers["WWW-Authenticate"] == "Bearer"
            assert found.json()["todo"] == "an admin makes one with `guiyi access key create`"


@pytest.mark.parametrize("key", ["x", "guiyi_0123456789abcdef_x", "guiyi__", "é"])
def test_a_false_key_is_told_nothing(app: FastAPI, key: str) -> None:
    headers = {"Authorization": f"Bearer {key}".encode()}
    found = Caller(app, None)("GET", "/v1/tags", headers=headers)
    assert found.status_code == 401
    assert "known" in found.json()["got"] or "another form" in found.json()["got"]


def test_a_rotated_key_calls_until_its_end_and_not_after(
    app: FastAPI, database: Database, clock: Clock
) -> None:
    old = key_of(database, "admin")
    with database.session() as session:
        by, hour = actor("root", "admin"), timedelta(hours=1)
        new = store.rotate(session, old.split("_")[1], by, NOW, hour, timedelta(days=1))
    codes = []
    for after in (59, 60):
        clock.at = NOW + timedelta(minutes=after)
        codes.append([Caller(app, key)("GET", "/v1/releases").status_code for key in (old, new)])
    assert codes == [[200, 200], [401, 200]]


def test_the_log_holds_each_call_and_each_refusal(app: FastAPI, database: Database) -> None:
    admin = Caller(app, key_of(database, "admin"))
    analyst = Caller(app, key_of(database, "analyst"))
    admin("POST", "/v1/audiences", json=AUDIENCE)
    analyst("GET", f"/v1/audiences/{AUDIENCE['name']}")
    analyst("GET", "/v1/persons/1?clear=true")
    Caller(app, None)("GET", "/v1/tags")
    lines = log(database)
    name = AUDIENCE["name"]
    version = lines[3][2].split()[-1]
    assert lines[2:] == [
        ("admin", "POST /v1/audiences", "", "allowed"),
        ("admin", "audiences.created", f"{name} 1 {version}", "done"),
        ("analyst", "GET /v1/audiences/{name}", name, "allowed"),
        ("analyst", "GET /v1/persons/{who}", "", "allowed"),
        ("analyst", "GET /v1/persons/{who} persons:clear", "", "refused"),
        ("", "GET /v1/tags", "", "no key"),
    ]


def test_keys_and_the_log_are_shown_and_no_key_is(app: FastAPI, database: Database) -> None:
    key = key_of(database, "admin")
    call = Caller(app, key)
    (shown,) = call("GET", "/v1/access/keys").json()["keys"]
    assert (shown["key_id"], shown["name"]) == (key.split("_")[1], "admin")
    assert key.split("_", 2)[2] not in str(shown)
    newest = call("GET", "/v1/access/audit?limit=1").json()["lines"][0]
    assert newest["action"] == "GET /v1/access/audit"
    before = call("GET", f"/v1/access/audit?before={newest['number']}").json()["lines"]
    assert [line["action"] for line in before] == ["GET /v1/access/keys", "access.key.create"]


def test_no_value_of_a_person_reaches_the_log(app: FastAPI, database: Database) -> None:
    call = Caller(app, key_of(database, "admin"))
    for path in ("/v1/persons/13800138000", "/v1/audiences/13800138000",
                 "/v1/audiences/none/explain/13800138000"):
        assert call("GET", path).status_code in (400, 404, 422)
    call("POST", "/v1/persons/find", json={"who": "13800138000"})
    call("POST", f"{WOMEN}/explain", json={"who": "13800138000"})
    with database.reading() as session:
        told = " ".join(f"{line.action} {line.what}" for line in store.audit(session, 99))
    assert "13800138000" not in told
