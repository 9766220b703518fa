from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any

import pytest

from lake.store import Lake
from tests.console.api.calling import AUDIENCE, Caller, Clock, at_once

NAMED = f"/v1/audiences/{AUDIENCE['name']}"
SHANGHAI = AUDIENCE | {"query": {"field": "city", "operator": "=", "value": "上海"}}


def one_ids(lake: Lake, condition: str, as_of: int | None = None) -> list[str]:
    """Whom SQL finds, in order of person_no."""
    with lake.reader(as_of) as session:
        rows = session.rows(
            f"SELECT one_id FROM tag_values WHERE ({condition}) AND business_date = "
            "(SELECT max(business_date) FROM tag_values) ORDER BY person_no"
        )
    return [str(one_id) for (one_id,) in rows]


def pages(call: Caller, path: str) -> list[dict[str, Any]]:
    """Every page of a list."""
    found = [call("GET", path).json()]
    while found[-1]["next"]:
        joint = "&" if "?" in path else "?"
        found.append(call("GET", f"{path}{joint}cursor={found[-1]['next']}").json())
    return found


@pytest.mark.rule("CDP-7")
def test_a_definition_is_counted_sampled_and_described_without_being_kept(
    call: Caller, sample_lake: Lake
) -> None:
    wanted = {"audience": AUDIENCE, "sample": 3, "tags": ["city"], "distribution": ["age_band"]}
    found = call("POST", "/v1/audiences/preview", json=wanted).json()
    members = one_ids(sample_lake, "likes_coffee AND city = '北京'")
    assert found["count"] == len(members)
    assert [one["city"] for one in found["sample"]] == ["北京"] * 3
    assert {one["one_id"] for one in found["sample"]} <= set(members)
    (spread,) = found["distribution"]
    assert (spread["tag"], spread["members"]) == ("age_band", len(members))
    assert call("GET", NAMED).status_code == 404


def test_the_same_preview_is_the_same_answer(call: Caller) -> None:
    wanted = {"audience": AUDIENCE, "sample": 3}
    once, again = (call("POST", "/v1/audiences/preview", json=wanted) for _ in range(2))
    assert once.content == again.content


def test_many_calls_at_once_have_the_answer_of_one(call: Caller) -> None:
    wanted = {"audience": AUDIENCE, "sample": 3, "tags": ["city"], "distribution": ["age_band"]}
    alone = call("POST", "/v1/audiences/preview", json=wanted).content
    assert asyncio.run(at_once(call, 12, "POST", "/v1/audiences/preview", json=wanted)) == {alone}


def test_the_same_audience_created_at_once_is_one_version(call: Caller) -> None:
    assert len(asyncio.run(at_once(call, 6, "POST", "/v1/audiences", json=AUDIENCE))) == 1
    assert len(call("GET", f"{NAMED}/versions").json()["versions"]) == 1


def test_members_come_page_by_page_and_are_those_that_sql_finds(
    call: Caller, sample_lake: Lake
) -> None:
    call("POST", "/v1/audiences", json=AUDIENCE)
    members = one_ids(sample_lake, "likes_coffee AND city = '北京'")
    assert len(members) > 2
    found = pages(call, f"{NAMED}/members?limit=2")
    assert [one["one_id"] for page in found for one in page["members"]] == members
    assert {page["count"] for page in found} == {len(members)}


def test_members_as_of_an_earlier_release_are_those_of_then(
    call: Caller, sample_lake: Lake
) -> None:
    call("POST", "/v1/audiences", json=AUDIENCE)
    first = sample_lake.releases()[0]
    found = call("GET", f"{NAMED}/members?limit=9999&as_of={first.release_no}").json()
    assert found["business_date"] == first.business_date.isoformat()
    then = one_ids(sample_lake, "likes_coffee AND city = '北京'", first.release_no)
    assert [one["one_id"] for one in found["members"]] == then


def test_the_same_audience_again_is_the_same_version(call: Caller) -> None:
    made = call("POST", "/v1/audiences", json=AUDIENCE)
    again = call("POST", "/v1/audiences", json=AUDIENCE)
    assert (made.status_code, again.status_code) == (201, 200)
    assert made.json() == again.json()
    assert made.json()["created_by"] == "admin"


def test_versions_stay_when_the_audience_changes(call: Caller, clock: Clock) -> None:
    made = call("POST", "/v1/audiences", json=AUDIENCE).json()
    clock.at += timedelta(hours=1)
    changed = call("PUT", NAMED, json=SHANGHAI, headers={"If-Match": "*"}).json()
    assert call("GET", f"{NAMED}/versions").json()["versions"] == [made, changed]
    assert (made["number"], changed["number"]) == (1, 2)
    assert call("GET", NAMED).json() == changed


def test_another_audience_of_the_name_is_a_conflict(call: Caller) -> None:
    call("POST", "/v1/audiences", json=AUDIENCE)
    found = call("POST", "/v1/audiences", json=SHANGHAI)
    assert found.status_code == 409
    assert found.json()["todo"] == f"change it with PUT {NAMED}"
    assert len(call("GET", f"{NAMED}/versions").json()["versions"]) == 1


def test_a_change_of_an_outdated_version_is_refused(call: Caller) -> None:
    seen = call("POST", "/v1/audiences", json=AUDIENCE).headers["ETag"]
    assert call("PUT", NAMED, json=SHANGHAI, headers={"If-Match": seen}).status_code == 200
    found = call("PUT", NAMED, json=AUDIENCE, headers={"If-Match": seen})
    assert (found.status_code, found.json()["got"]) == (412, "version 2")


def test_a_change_says_what_it_is_a_change_of(call: Caller) -> None:
    call("POST", "/v1/audiences", json=AUDIENCE)
    found = call("PUT", NAMED, json=SHANGHAI)
    assert (found.status_code, found.json()["where"]) == (428, "If-Match")
    assert found.json()["title"] == "Precondition Required"
    assert len(call("GET", f"{NAMED}/versions").json()["versions"]) == 1
    assert call("PUT", NAMED, json=AUDIENCE).status_code == 200


def test_an_idempotency_key_stands_for_one_audience(call: Caller) -> None:
    headers = {"Idempotency-Key": "abc"}
    assert call("POST", "/v1/audiences", json=AUDIENCE, headers=headers).status_code == 201
    assert call("POST", "/v1/audiences", json=AUDIENCE, headers=headers).status_code == 200
    other = SHANGHAI | {"name": "other"}
    assert call("POST", "/v1/audiences", json=other, headers=headers).status_code == 409


def test_an_audience_declared_in_a_file_is_not_changed_here(call: Caller) -> None:
    declared = AUDIENCE | {"name": "beijing_coffee_women"}
    assert call("POST", "/v1/audiences", json=declared).status_code == 409
    assert call("GET", "/v1/audiences/beijing_coffee_women").json()["source"] == "file"


def test_an_audience_may_stand_on_another(call: Caller, sample_lake: Lake) -> None:
    call("POST", "/v1/audiences", json=AUDIENCE)
    query = {"combinator": "and", "rules": [
        {"audience": AUDIENCE["name"]}, {"field": "gender", "operator": "=", "value": "female"}
    ]}
    above = {"name": "above", "label": "above", "query": query}
    assert call("POST", "/v1/audiences", json=above).status_code == 201
    members = one_ids(sample_lake, "likes_coffee AND city = '北京' AND gender = 'female'")
    assert call("GET", "/v1/audiences/above/members").json()["count"] == len(members)
    ring = AUDIENCE | {"query": {"audience": "above"}}
    assert "stand on each other" in call("PUT", NAMED, json=ring).json()["detail"]


def test_what_stands_on_a_changed_audience_has_another_version_and_no_old_cursor(
    call: Caller,
) -> None:
    call("POST", "/v1/audiences", json=AUDIENCE)
    above = {"name": "above", "label": "above", "query": {"audience": AUDIENCE["name"]}}
    made = call("POST", "/v1/audiences", json=above).json()
    cursor = call("GET", "/v1/audiences/above/members?limit=1").json()["next"]
    call("PUT", NAMED, json=SHANGHAI, headers={"If-Match": "*"})
    now = call("GET", "/v1/audiences/above").json()
    assert (now["number"], now["audience"]) == (made["number"], made["audience"])
    assert now["version"] != made["version"]
    found = call("GET", f"/v1/audiences/above/members?cursor={cursor}")
    assert (found.status_code, found.json()["got"]) == (400, made["version"])
    assert call("POST", "/v1/audiences", json=above).json() == now


def test_an_answer_says_why_a_person_is_in_it(call: Caller, sample_lake: Lake) -> None:
    call("POST", "/v1/audiences", json=AUDIENCE)
    who = one_ids(sample_lake, "likes_coffee AND city = '北京'")[0]
    found = call("GET", f"{NAMED}/explain/{who}").json()
    assert (found["one_id"], found["is_member"]) == (who, True)
    assert call("POST", f"{NAMED}/explain", json={"who": who}).json() == found
    other = one_ids(sample_lake, "city = '上海'")[0]
    assert call("GET", f"{NAMED}/explain/{other}").json()["is_member"] is False


@pytest.mark.parametrize(("change", "where"), [
    ({"query": {"field": "no_such_tag", "operator": "=", "value": 1}}, "at $.query"),
    ({"query": {"field": "city", "operator": "=", "value": 1}}, "at $.query"),
    ({"query": {"field": "city", "operator": "~", "value": "x"}}, "$.query.operator"),
    ({"label": 1}, "$.label"),
    ({"exclude": ["no_such_list"]}, "at $.exclude"),
])
def test_a_wrong_definition_is_told_with_its_place(
    call: Caller, change: dict[str, Any], where: str
) -> None:
    found = call("POST", "/v1/audiences", json=AUDIENCE | change)
    assert found.status_code == 422
    assert found.json()["where"].endswith(where)


@pytest.mark.parametrize("depth", [200, 1000, 20_000])
def test_a_tree_too_deep_is_refused(call: Caller, depth: int) -> None:
    leaf = '{"field": "city", "operator": "=", "value": "x"}'
    tree = '{"combinator":"and","rules":[' * depth + leaf + "]}" * depth
    body = f'{{"name": "deep", "label": "deep", "query": {tree}}}'
    for path, sent in [("", body), ("/preview", f'{{"audience": {body}}}')]:
        found = call("POST", f"/v1/audiences{path}", content=sent)
        assert found.status_code == 422
        assert "too deep" in found.json()["detail"]


@pytest.mark.parametrize("after", [-1, 2**32, 2**40, 10**30])
def test_a_forged_cursor_is_refused(call: Caller, after: int) -> None:
    call("POST", "/v1/audiences", json=AUDIENCE)
    page = call("GET", f"{NAMED}/members?limit=1").json()
    said = f'[{page["release_no"]},"{page["version"]}",{after}]'
    cursor = urlsafe_b64encode(said.encode()).decode().rstrip("=")
    found = call("GET", f"{NAMED}/members", params={"cursor": cursor})
    assert (found.status_code, found.json()["where"]) == (400, "cursor")


@pytest.mark.parametrize("cursor", ["x", "é", "W10", "WzEsIngiLDNd"])
def test_a_cursor_of_somebody_else_is_refused(call: Caller, cursor: str) -> None:
    call("POST", "/v1/audiences", json=AUDIENCE)
    found = call("GET", f"{NAMED}/members", params={"cursor": cursor})
    assert found.status_code in (400, 404)
    assert found.json()["type"].startswith("urn:guiyi:problem:")
