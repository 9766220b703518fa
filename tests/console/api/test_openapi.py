from __future__ import annotations

import json
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis.checks import CHECKS, load_all_checks

from console.api.audiences import PREVIEW
from tests.console.api.calling import AUDIENCE, Caller

load_all_checks()
HELD = CHECKS.get_by_names(
    ["not_a_server_error", "status_code_conformance", "content_type_conformance",
     "response_schema_conformance"]
)


def test_it_tells_of_examples_of_the_key_and_of_its_problems(app: FastAPI) -> None:
    told = app.openapi()
    assert told["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    made = told["paths"]["/v1/audiences"]["post"]
    assert made["security"] == [{"key": []}]
    assert made["requestBody"]["content"]["application/json"]["example"]["name"]
    assert "application/problem+json" in made["responses"]["422"]["content"]
    assert "HTTPValidationError" not in str(made)


GOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/v1/audiences", {"json": AUDIENCE}),
    ("PUT", "/v1/audiences/{name}", {"json": AUDIENCE}),
    ("GET", "/v1/audiences", {}),
    ("GET", "/v1/audiences/{name}", {}),
    ("GET", "/v1/audiences/{name}/versions", {}),
    ("GET", "/v1/audiences/{name}/members", {"params": {"limit": 2}}),
    ("GET", "/v1/audiences/{name}/explain/{who}", {}),
    ("POST", "/v1/audiences/{name}/explain", {"json": {"who": "{who}"}}),
    ("POST", "/v1/audiences/preview", {"json": PREVIEW}),
    ("GET", "/v1/tags", {}),
    ("GET", "/v1/tags/city", {}),
    ("GET", "/v1/persons/{who}", {}),
    ("POST", "/v1/persons/find", {"json": {"who": "{who}"}, "params": {"clear": True}}),
    ("GET", "/v1/releases", {}),
    ("GET", "/v1/releases/1", {}),
    ("GET", "/health", {}),
]


def test_good_answers_have_the_shape_that_was_told(app: FastAPI, call: Caller) -> None:
    told = app.openapi()
    found = call("POST", "/v1/audiences/preview", json=PREVIEW)
    who = found.json()["sample"][0]["one_id"]
    for method, path, more in GOOD:
        sent = json.loads(json.dumps(more).replace("{who}", who))
        answer = call(method, path.format(name=AUDIENCE["name"], who=who), **sent)
        assert answer.is_success, (method, path, answer.text)
        patterns = [path, path.replace("/city", "/{name}"), path.replace("s/1", "s/{number}")]
        route = next(told["paths"][one] for one in patterns if one in told["paths"])
        content = route[method.lower()]["responses"][str(answer.status_code)]["content"]
        schema = content["application/json"]["schema"] | {"components": told["components"]}
        Draft202012Validator(schema).validate(answer.json())


@pytest.mark.slow
def test_no_call_gives_a_server_error_or_another_shape_than_was_told(
    app: FastAPI, call: Caller
) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    headers = {"Authorization": f"Bearer {call.key}"}
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 12
    for operation in operations:

        @given(case=operation.as_strategy())
        @settings(
            max_examples=6, phases=[Phase.explicit, Phase.generate], deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        def holds(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=headers, checks=HELD)

        holds()
