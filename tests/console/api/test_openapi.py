from __future__ import annotations

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks

from tests.console.api.calling import Caller

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
            max_examples=12, phases=[Phase.explicit, Phase.generate], deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        def holds(case: schemathesis.Case) -> None:
            case.call_and_validate(headers=headers, checks=HELD)

        holds()
