from __future__ import annotations

from lake.store import Lake
from tests.console.api.calling import Caller


def phone_of_somebody(lake: Lake) -> tuple[str, str]:
    """A person and a phone that is theirs alone."""
    with lake.reader() as session:
        ((one_id, value),) = session.rows(
            "SELECT t.one_id, i.value FROM tenures AS t JOIN identifiers AS i "
            "USING (identifier_key) WHERE t.type = 'phone' AND t.kind = 'sole' "
            "AND t.one_id IS NOT NULL ORDER BY ALL LIMIT 1"
        )
    return str(one_id), str(value)


def test_identifiers_are_masked_unless_clear_ones_are_asked_for(
    call: Caller, sample_lake: Lake
) -> None:
    one_id, phone = phone_of_somebody(sample_lake)
    masked = call("GET", f"/v1/persons/{one_id}")
    assert phone not in masked.text
    assert phone[:6] in masked.text
    clear = call("GET", f"/v1/persons/{one_id}?clear=true").json()
    assert phone in [one["value"] for one in clear["identifiers"]]


def test_a_person_is_found_by_an_identifier_in_the_body(call: Caller, sample_lake: Lake) -> None:
    one_id, phone = phone_of_somebody(sample_lake)
    found = call("POST", "/v1/persons/find", json={"who": phone}).json()
    assert found["one_id"] == one_id
    assert found["tags"]


def test_nobody_is_a_problem_that_says_what_is_expected(call: Caller) -> None:
    found = call("GET", "/v1/persons/nobody")
    assert found.status_code == 404
    assert found.headers["content-type"] == "application/problem+json"
    assert found.json()["expected"].startswith("a one_id, a person_no, or an identifier")
