"""The health of identity, of persons written down by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from jobs.cli import app
from lake import contracts
from lake.store import Lake
from pipelines.identity import health, health_lines, render_health, warning
from pipelines.identity.health import (
    publish_health,
    unnoticed_links_per_person,
    wrong_links_per_person,
)
from schemas import catalog
from schemas.identity_rules import IdentifierRules, IdentityRules, PerPerson
from tests.pipelines.identity.seen import BEGIN, DAY, MemoryDraft, Seen

RULES = IdentityRules(
    (
        IdentifierRules("user_id", per_person=(PerPerson(1),)),
        IdentifierRules("phone", per_person=(PerPerson(1, overlapping_days=3),)),
    )
)
# (key, stay, type, one_id, kind)
TENURES = [
    (1, 0, "user_id", "pa", "sole"),
    (2, 0, "user_id", "pb", "sole"),
    (3, 0, "user_id", None, "blocked"),
    (11, 0, "phone", "pa", "sole"),
    (12, 0, "phone", "pa", "handover"),
    (12, 1, "phone", "pb", "handover"),
    (12, 2, "phone", "pa", "handover"),
    (13, 0, "phone", None, "shared"),
    (14, 0, "phone", None, "hub"),
    (15, 0, "phone", "pc", "sole"),
    (16, 0, "phone", "pd", "sole"),
]
# (key, stay) of both ends, and whether the link was refused.
LINKS = [
    (1, 0, 11, 0, False), (2, 0, 11, 0, True), (2, 0, 12, 0, True), (1, 0, 12, 2, True),
    (11, 0, 15, 0, True),
]  # fmt: skip
RECEIPT = {"received_at": BEGIN, "source": "app", "event_id": "e"}


def put(memory: MemoryDraft, name: str, rows: list[dict[str, Any]]) -> None:
    memory.session.register(
        "incoming", pa.Table.from_pylist(rows, schema=catalog.table(name).schema)
    )
    memory.replace(name, "SELECT * FROM incoming")
    memory.session.con.unregister("incoming")


def write(memory: MemoryDraft, tenures: list[Any], links: list[Any]) -> None:
    names = ("identifier_key", "tenure", "type", "one_id", "kind")
    ends = ("identifier_key_a", "tenure_a", "identifier_key_b", "tenure_b")
    put(memory, "tenures", [dict(zip(names, row, strict=True)) | RECEIPT for row in tenures])
    put(
        memory,
        "links",
        [
            dict(zip(ends, row[:4], strict=True))
            | {"status": "refused" if row[4] else "accepted", "rule": "r", "evidence": "e"}
            | RECEIPT
            for row in links
        ],
    )
    put(
        memory,
        "screened",
        [
            {"identifier_key": key, "type": type, "reason": kind, "rule": "r", "count_partners": 0}
            for key, _, type, _, kind in tenures
            if kind in ("blocked", "hub")
        ],
    )
    holders = sorted({one for _, _, _, one, _ in tenures if one})
    put(memory, "persons", [{"one_id": one, "count_identifiers": 1} for one in holders])


@pytest.fixture
def published(memory: MemoryDraft) -> MemoryDraft:
    memory.clear()
    memory.business_date = DAY
    write(memory, TENURES, LINKS)
    publish_health(memory.draft)
    return memory


def test_each_type_is_counted(published: MemoryDraft) -> None:
    rows = {
        row["type"]: row
        for row in published.session.table("SELECT * FROM identity_health").to_pylist()
    }
    assert rows["user_id"] == {
        "published_for": DAY, "type": "user_id", "count_values": 3, "count_held": 2,
        "count_persons": 2, "most_per_person": 1, "most_holders": 1, "count_blocked": 1,
        "count_hubs": 0, "count_shared": 0, "count_handed_over": 0, "count_refused": 3,
    }  # fmt: skip
    assert rows["phone"] == {
        "published_for": DAY, "type": "phone", "count_values": 6, "count_held": 4,
        "count_persons": 4, "most_per_person": 2, "most_holders": 2, "count_blocked": 0,
        "count_hubs": 1, "count_shared": 1, "count_handed_over": 1, "count_refused": 4,
    }  # fmt: skip
    query = contracts.query(catalog.table("identity_health"), "identity_health")
    assert set(published.session.rows(query)[0]) == {0}


def test_a_wrong_link_is_a_pair_of_persons_a_further_holder_or_a_shared_value(
    published: MemoryDraft,
) -> None:
    # Refused between pa and pb, and pa and pc (once within pa); one further holder; one shared.
    assert wrong_links_per_person(published.session) == (2 + 1 + 1) / 4


def test_unnoticed_wrong_links_follow_from_the_pairs_that_would_have_shown(
    published: MemoryDraft,
) -> None:
    # Two of four persons have a user: a quarter of the pairs shows, so each seen stands for three.
    assert unnoticed_links_per_person(published.session, RULES) == 2 * 3 / 4
    assert unnoticed_links_per_person(published.session, RULES.without_limits()) is None


def test_drift_is_told_against_the_publication_before(published: MemoryDraft) -> None:
    first = health(published.session, RULES)
    assert (first["published_for"], first["compared_with"]) == (DAY, None)
    assert {row["count_values_drift"] for row in first["types"]} == {None}
    published.business_date = DAY + timedelta(days=2)
    write(published, [row for row in TENURES if row[2] == "phone"][:-1], [])
    publish_health(published.draft)
    found = health(published.session, RULES)
    assert (found["published_for"], found["compared_with"]) == (published.business_date, DAY)
    user, phone = found["types"]
    assert (user["count_values"], user["count_values_drift"]) == (0, -3)
    assert (phone["count_persons"], phone["count_persons_drift"]) == (3, -1)
    assert phone["count_refused_drift"] == -4


def test_a_second_publication_for_a_date_replaces_the_first(published: MemoryDraft) -> None:
    publish_health(published.draft)
    ((count,),) = published.session.rows("SELECT count(*) FROM identity_health")
    assert count == 2


def test_health_reads_as_text(published: MemoryDraft) -> None:
    published.business_date = DAY + timedelta(days=1)
    write(published, TENURES[:-1], LINKS)
    publish_health(published.draft)
    found = health(published.session, RULES)
    assert render_health(found) == (
        "published for   2017-01-02\n"
        "compared with   2017-01-01\n"
        "wrong links     1.3333 a person, warned at 0.2\n"
        "unnoticed       0.8333 a person, estimated"
    )
    phone = health_lines(found)[1]
    assert (phone["type"], phone["values"], phone["hubs"]) == ("phone", "5 (-1)", "1")


def test_nothing_published_has_no_health(memory: MemoryDraft) -> None:
    memory.clear()
    found = health(memory.session, RULES)
    assert (found["published_for"], found["types"]) == (None, [])
    assert (found["wrong_links_per_person"], found["unnoticed_links_per_person"]) == (0.0, None)
    assert render_health(found) == "identity has not been published"


def test_a_rate_is_warned_at_the_rules_limit() -> None:
    assert warning(0.199, RULES) is None
    assert "0.200 wrong links a person, warned at 0.2" in str(warning(0.2, RULES))


def test_the_command_answers_for_people_and_for_programs(lake: Lake, publish: Any) -> None:
    seen = [Seen("e0", 0, (("user_id", "a"), ("phone", "+8613912345678")))]
    publish(seen)
    publish([*seen, Seen("e1", 1, (("user_id", "b"),))], 1)
    called = ["identity", "health", "--data", str(lake.root)]
    told = CliRunner().invoke(app, called)
    assert told.exit_code == 0
    assert "compared with   2017-01-01" in told.stdout
    assert "2 (+1)" in told.stdout
    user = msgspec.json.decode(CliRunner().invoke(app, [*called, "--format", "json"]).stdout)
    assert user["types"][0]["count_values_drift"] == 1
    first = CliRunner().invoke(app, [*called, "--as-of", "2017-01-01"])
    assert "nothing, it is the first" in first.stdout
