"""What is read of one person: finding it, its timeline, its explanation, its graph."""

from __future__ import annotations

from datetime import date, timedelta

import networkx as nx
import pytest

from lake.engines.duckdb import Session
from pipelines.identity import (
    explain_person,
    find_person,
    node_of,
    path_between,
    person_graph,
    render,
    resolve,
    timeline,
)
from schemas.errors import NotFoundError, UsageError
from schemas.identity_rules import IdentifierRules, IdentityRules
from tests.pipelines.identity.seen import DAY, MemoryDraft, Seen, key, write

DEVICE, USER = ("device_id", "d-1234567890"), ("user_id", "u-1234567890")
PHONE, CARD = ("phone", "+8613912345678"), ("member_card", "M00000001")
CONTACT, HUB = ("external_userid", "wm-1234567890"), ("device_id", "shop-tablet-1")
STORY = [
    Seen("chat", 3, (CONTACT, PHONE), source="service_chats", type="message"),
    Seen("order:1", 2, (CARD, PHONE), 4, source="erp_orders", type="order_line"),
    Seen("view", 0, (DEVICE,), properties=(("product_id", "7"),)),
    Seen("login", 1, (DEVICE, USER), type="identified"),
    Seen("profile", 1, (USER, PHONE), type="identified"),
    Seen("shop", 2, (HUB, USER)),
    *(Seen(f"s{n}", 2, (HUB, ("user_id", f"stranger-{n}"))) for n in range(5)),
]


@pytest.fixture
def session(memory: MemoryDraft, rules: IdentityRules) -> Session:
    memory.clear()
    for name in ("order_lines", "conversations"):
        memory.empty(name)
    memory.business_date = DAY
    write(memory.draft, [one for one in STORY if one.day == 0] + [Seen("c0", 0, (CARD,))])
    resolve(memory.draft, rules)
    memory.business_date = DAY + timedelta(days=4)
    write(memory.draft, [*STORY, Seen("c0", 0, (CARD,))])
    memory.append(
        "order_lines",
        "SELECT *, 'order' AS order_id, 1 AS line_no, NULL AS store_id, '7' AS product_id, "
        "2 AS quantity, NULL AS unit_price, 1234 AS paid_minor, 0 AS coupon_minor, "
        "'CNY' AS currency, NULL AS received_on, NULL AS after_sale_ends_at, NULL AS refund_of "
        "FROM events WHERE event_id = 'order:1'",
    )
    memory.append(
        "conversations",
        "SELECT *, 'inbound' AS direction, NULL AS staff_id, 'text' AS message_type, "
        "'call ****' AS text_masked FROM events WHERE event_id = 'chat'",
    )
    resolve(memory.draft, rules)
    return memory.session


def ours(session: Session) -> str:
    return find_person(session, PHONE[1], "CN")


@pytest.mark.rule("CDP-5")
def test_one_call_gives_events_of_all_sources_in_time_order(session: Session) -> None:
    told = timeline(session, ours(session)).to_pylist()
    assert [row["event_id"] for row in told] == [
        "c0", "view", "login", "profile", "shop", "order:1", "chat"
    ]  # fmt: skip
    assert {row["source"] for row in told} == {"app_events", "erp_orders", "service_chats"}
    assert told == sorted(told, key=lambda row: (row["occurred_at"], row["source"]))
    order, chat = told[5], told[6]
    assert (order["quantity"], order["paid_minor"], order["currency"]) == (2, 1234, "CNY")
    assert order["identifiers"] == sorted(
        [
            {"type": "phone", "value": "+86139****5678", "path": "field[1]"},
            {"type": "member_card", "value": "M****0001", "path": "field[0]"},
        ],
        key=lambda member: key(*(PHONE if member["type"] == "phone" else CARD)),
    )
    assert (chat["direction"], chat["text_masked"]) == ("inbound", "call ****")
    assert dict(told[1]["properties"]) == {"product_id": "7"}


def test_a_timeline_shows_clear_values_and_a_stretch_when_asked(session: Session) -> None:
    second = DAY + timedelta(days=1)
    told = timeline(session, ours(session), second, DAY + timedelta(days=2), is_clear=True)
    assert told["event_id"].to_pylist() == ["login", "profile"]
    values = {member["value"] for row in told["identifiers"].to_pylist() for member in row}
    assert values == {DEVICE[1], USER[1], PHONE[1]}


def test_a_timeline_keeps_to_the_stretch_of_its_bundles(session: Session) -> None:
    who, border = ours(session), date(2017, 1, 2)
    session.execute(
        f"UPDATE bundle_persons SET valid_to = DATE '{border}' WHERE bundle_id IN "
        "(SELECT bundle_id FROM events WHERE event_id = 'login')"
    )
    assert "login" not in timeline(session, who)["event_id"].to_pylist()


@pytest.mark.parametrize(
    "text",
    [PHONE[1], "139 1234 5678", " 13912345678 ", "phone:139-1234-5678", "m00000001", DEVICE[1]],
)
def test_a_person_is_found_by_any_writing_of_any_identifier(session: Session, text: str) -> None:
    assert find_person(session, text, "CN") == ours(session)


def test_a_phone_is_read_by_the_customs_of_the_programmes_country(memory: MemoryDraft) -> None:
    memory.clear()
    write(memory.draft, [Seen("e0", 0, (("phone", "+14155552671"),))])
    resolve(memory.draft, IdentityRules((IdentifierRules("phone"),)))
    found = find_person(memory.session, "+14155552671", "CN")
    assert find_person(memory.session, "(415) 555-2671", "US") == found
    with pytest.raises(NotFoundError):
        find_person(memory.session, "(415) 555-2671", "CN")


def test_a_person_is_found_by_one_id_absorbed_one_id_and_number(session: Session) -> None:
    who = ours(session)
    ((number,),) = session.rows(f"SELECT person_no FROM persons WHERE one_id = '{who}'")
    ((absorbed,),) = session.rows(
        f"SELECT other_one_id FROM identity_changes WHERE kind = 'merged' AND one_id = '{who}'"
    )
    for text in (who, str(number), str(absorbed)):
        assert find_person(session, text, "CN") == who


def test_nobody_is_found_with_a_reason(session: Session) -> None:
    with pytest.raises(NotFoundError, match="no identifier in this release matches"):
        find_person(session, "nobody", "CN")
    with pytest.raises(NotFoundError, match=r"hub \(device_id: at most 3 user_id\)"):
        find_person(session, HUB[1], "CN")
    with pytest.raises(NotFoundError, match="a one_id that no release ever gave"):
        find_person(session, "p" + "0" * 24, "CN")
    with pytest.raises(NotFoundError, match="nobody has this one_id"):
        timeline(session, "p" + "0" * 24)


def test_a_text_that_names_two_persons_is_refused(session: Session) -> None:
    session.execute("UPDATE identifiers SET value = 'twin' WHERE value LIKE 'stranger-0'")
    session.execute(f"UPDATE identifiers SET value = 'twin' WHERE value = '{DEVICE[1]}'")
    with pytest.raises(UsageError, match=r"names 2 persons[\s\S]*say type:value"):
        find_person(session, "twin", "CN")
    assert find_person(session, "device_id:twin", "CN") == ours(session)


def test_an_explanation_holds_evidence_and_what_was_left_out(session: Session) -> None:
    found = explain_person(session, ours(session))
    assert [row["type"] for row in found["identifiers"]][:2] in (
        ["device_id", "member_card"], ["member_card", "device_id"]
    )  # fmt: skip
    assert len(found["links"]) == 4
    assert found["links"][0]["event_id"] == "login"
    assert found["refused"] == []
    ((hub),) = found["screened"]
    assert (hub["kind"], hub["count_partners"]) == ("hub", 6)
    assert hub["beside"][0]["count_events"] == 1
    assert {row["kind"] for row in found["history"]} == {"created", "merged"}
    text = render(found)
    assert "device_id shop****et-1  a hub (device_id: at most 3 user_id; it has 6)" in text
    assert PHONE[1] not in text
    assert PHONE[1] in render(explain_person(session, ours(session), is_clear=True))


def test_a_person_is_a_graph_whose_paths_are_evidence(session: Session) -> None:
    graph = person_graph(session, ours(session), is_clear=True)
    assert nx.is_connected(graph)
    assert {node["type"] for _, node in graph.nodes(data=True)} == {
        "device_id", "user_id", "phone", "member_card", "external_userid"
    }  # fmt: skip
    path = path_between(graph, node_of(graph, *DEVICE), node_of(graph, *CARD))
    assert [step["event_id"] for step in path] == ["login", "profile", "order:1"]
    assert (path[0]["from"], path[-1]["to"]) == (" ".join(DEVICE), " ".join(CARD))
    with pytest.raises(NotFoundError, match="holds no such identifier"):
        node_of(graph, "phone", "1")
    with pytest.raises(NotFoundError, match="no chain of evidence"):
        path_between(graph, node_of(graph, *DEVICE), (1, 0))
