"""What joins two identifiers, and what keeps them apart: rule, dates, counts and sources."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import combinations
from typing import Any

import networkx as nx
import pytest

from lake.engines.duckdb import Session
from pipelines.identity import (
    explain_link,
    explain_person,
    find_key,
    find_person,
    path_between,
    render,
    render_link,
    resolve,
)
from schemas.errors import NotFoundError, UsageError
from schemas.identity_rules import IdentityRules
from tests.pipelines.identity.seen import DAY, MemoryDraft, key, persons, write
from tests.pipelines.identity.worlds import (
    DAYS,
    TABLET,
    Named,
    card,
    decision,
    device,
    phone,
    user,
)


@pytest.fixture(scope="module")
def session(rules: IdentityRules, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(tmp_path_factory.mktemp("spill"), threads=1) as opened:
        draft = MemoryDraft(opened)
        draft.clear()
        draft.empty("identity_decisions")
        draft.business_date = DAY + timedelta(days=200)
        write(draft.draft, DAYS)
        draft.append("identity_decisions", decision("d1", "unlink", user("emma"), phone(4)))
        draft.append("identity_decisions", decision("d2", "link", user("ines"), user("jana")))
        resolve(draft.draft, rules)
        yield opened


@pytest.fixture
def classes(rules: IdentityRules) -> list[str]:
    return [one.name for one in rules.evidence]


def between(session: Session, a: Named, b: Named) -> dict[str, Any]:
    return explain_link(session, key(*a), key(*b))


def whys(found: dict[str, Any]) -> list[str]:
    return [row["why"] for row in found["reasons"]]


def holder(session: Session, one: Named) -> str:
    return find_person(session, ":".join(one), "CN")


@pytest.mark.rule("CDP-4")
def test_a_chain_of_one_person_names_source_dates_and_counts(session: Session) -> None:
    found = between(session, card(1), device("anna"))
    assert found["is_joined"]
    assert found["one_id"] == holder(session, user("anna"))
    text = render_link(found)
    assert "joined by (2 steps)" in text
    assert (
        "member_card M****0001 + user_id user****0001: seen together, 2 events on 2 days, "
        "2017-01-02..2017-01-03 (erp_orders 2), first erp_orders anna-card1, accepted" in text
    )
    assert (
        "log-in on a device, 5 events on 5 days, 2017-01-01..2017-01-13 (app_events 5), "
        "first app_events anna0, accepted" in text
    )


@pytest.mark.rule("CDP-4")
def test_a_recycled_phone_is_told_with_both_stays(session: Session) -> None:
    found = between(session, device("anna"), device("bert"))
    anna, bert = holder(session, user("anna")), holder(session, user("bert"))
    assert whys(found) == ["handover"]
    assert found["reasons"][0]["says"] == (
        f"phone +86139****0001 changed hands: until 2017-04-10 {anna}'s; "
        f"from 2017-04-11 on {bert}'s"
    )
    text = render_link(found)
    assert "phone +86139****0001: handed over on 2017-04-11" in text
    assert "5 events on 5 days, 2017-01-01..2017-01-13" in text
    assert "4 events on 4 days, 2017-04-11..2017-04-20" in text


def test_the_evidence_of_a_stay_lies_within_its_dates(session: Session) -> None:
    found = explain_person(session, holder(session, user("bert")))
    (theirs,) = [row for row in found["identifiers"] if row["type"] == "phone"]
    assert (theirs["kind"], theirs["valid_from"], theirs["valid_to"]) == (
        "handover", date(2017, 4, 11), None
    )  # fmt: skip
    assert (theirs["count_events"], theirs["first_on"]) == (4, date(2017, 4, 11))
    text = render(found)
    assert "handover, theirs from 2017-04-11 on" in text
    assert f"until 2017-04-10 {holder(session, user('anna'))}'s" in text


def test_a_text_that_names_a_recycled_phone_tells_who_had_it_when(session: Session) -> None:
    with pytest.raises(UsageError, match="names 2 persons") as caught:
        find_person(session, phone(1)[1], "CN")
    assert f"{holder(session, user('anna'))} (phone until 2017-04-10)" in caught.value.got
    assert f"{holder(session, user('bert'))} (phone from 2017-04-11 on)" in caught.value.got


@pytest.mark.rule("CDP-4")
def test_a_shared_card_is_told_with_those_who_share_it(session: Session) -> None:
    found = between(session, user("cora"), user("carl"))
    sharers = sorted(holder(session, user(name)) for name in ("cora", "carl"))
    assert whys(found) == ["shared"]
    assert f"member_card M****0002 is shared by {sharers[0]} and {sharers[1]}" in render_link(found)
    assert "10 events on 10 days, 2017-01-01..2017-02-06 (erp_orders 10), shared" in (
        render_link(found)
    )
    own = render(explain_person(session, sharers[0]))
    assert "shared with others, so that it unites nothing (1)" in own
    with pytest.raises(NotFoundError, match="a member_card that names nobody: shared"):
        find_person(session, card(2)[1], "CN")


def test_a_hub_is_told_with_its_rule_and_partners(session: Session) -> None:
    for a, b in ((TABLET, user("dora")), (user("dora"), user("stranger3"))):
        found = between(session, a, b)
        assert whys(found) == ["hub"]
        assert (
            "device_id devi****0001 is a hub (device_id: at most 3 user_id; it has 6)"
            in render_link(found)
        )
    assert found["together"]["count_events"] == 0


def test_a_blocked_value_is_told_with_its_rule(session: Session) -> None:
    found = between(session, ("device_id", "unknown"), user("hans"))
    assert whys(found) == ["blocked"]
    assert "is blocked (any: blocked value)" in render_link(found)
    assert "on one event: 1 event on 1 day, 2017-01-01 (app_events 1)" in render_link(found)


@pytest.mark.rule("CDP-4")
def test_a_decision_is_told_with_author_day_and_reason(session: Session) -> None:
    found = between(session, user("emma"), phone(4))
    assert whys(found) == ["refused"]
    says = found["reasons"][0]["says"]
    assert "decision d1 of lin, 2017-01-09 (not her phone) keeps them apart" in says
    assert "verified profile, 3 events on 3 days, 2017-01-01..2017-01-03 (app_events 3)" in says
    assert "unlink d1, by lin on 2017-01-09: not her phone" in render(
        explain_person(session, holder(session, user("emma")))
    )
    assert whys(between(session, device("emma"), card(3))) == ["on the way"]


def test_a_broken_limit_is_told_with_the_blocker_and_whose_it_is(session: Session) -> None:
    direct = between(session, card(4), device("gina"))
    far = between(session, user("fred"), user("gina"))
    assert (whys(direct), whys(far)) == (["refused"], ["on the way"])
    fred = holder(session, user("fred"))
    for found in (direct, far):
        says = found["reasons"][0]["says"]
        assert "one person would break the limit “user_id: at most 1” through user_id" in says
        assert fred in says
        assert "seen together, 1 event on 1 day, 2017-01-04 (app_events 1)" in says
        assert found["reasons"][0]["blocker"] == key(*user("fred"))
    assert "not joined (1)" in render(explain_person(session, fred))


def test_what_never_met_is_said_so(session: Session) -> None:
    found = between(session, user("anna"), user("gina"))
    assert (whys(found), found["way"]) == (["unseen"], [])
    assert "never seen together, and no chain of evidence leads" in render_link(found)


def test_every_two_identifiers_of_a_person_are_joined_by_accepted_links(
    session: Session, classes: list[str]
) -> None:
    accepted = set(
        session.rows(
            "SELECT identifier_key_a, tenure_a, identifier_key_b, tenure_b FROM links "
            "WHERE status = 'accepted'"
        )
    )
    pairs = 0
    for one_id, held in persons(session).items():
        for a, b in combinations(sorted(held), 2):
            found = explain_link(session, key(*a), key(*b), classes)
            assert (found["is_joined"], found["one_id"]) == (True, one_id)
            way = found["way"]
            assert (way[0]["from_node"][0], way[-1]["to_node"][0]) == (key(*a), key(*b))
            for row, after in zip(way, [*way[1:], None], strict=True):
                ends = sorted((row["from_node"], row["to_node"]))
                assert (*ends[0], *ends[1]) in accepted
                assert after is None or after["from_node"] == row["to_node"]
            pairs += 1
    assert pairs > 12


def test_of_chains_of_one_length_the_one_on_stronger_evidence_is_given() -> None:
    names = {(0, 0): "a", (1, 0): "weak", (2, 0): "strong", (3, 0): "d", (4, 0): "e", (5, 0): "f"}
    graph = nx.Graph()
    for node, name in names.items():
        graph.add_node(node, type="t", value=name)
    for a, b, evidence in (
        (0, 1, "seen together"),
        (1, 3, "seen together"),
        (0, 2, "platform"),
        (2, 3, "seen together"),
        (0, 4, "platform"),
        (4, 5, "platform"),
        (5, 3, "platform"),
    ):
        graph.add_edge((a, 0), (b, 0), status="accepted", evidence=evidence)
    way = path_between(graph, (0, 0), (3, 0), ["platform", "seen together"])
    assert [row["to"] for row in way] == ["t strong", "t d"]


def test_a_link_of_a_person_is_told_with_the_limit_it_waives(session: Session) -> None:
    found = between(session, card(5), device("jana"))
    assert found["is_joined"]
    says = "decision d2 of lin, 2017-01-09 (not her phone) waives user_id: at most 1"
    assert says in render_link(found)
    assert says in render(explain_person(session, found["one_id"]))
    assert "decided, never seen on one event, accepted; decision d2" in render_link(found)


def test_values_are_masked_unless_clear(session: Session) -> None:
    a, b = user("anna"), phone(1)
    clear = explain_link(session, key(*a), key(*b), is_clear=True)
    assert b[1] in render_link(clear)
    assert b[1] not in render_link(between(session, a, b))
    assert b[1] not in str(between(session, a, b))


def test_an_end_is_an_identifier_or_whoever_names_a_person(session: Session) -> None:
    who = holder(session, user("anna"))
    ((number,),) = session.rows(f"SELECT person_no FROM persons WHERE one_id = '{who}'")
    first = find_key(session, who, "CN")
    assert first in {key(*user("anna")), key(*phone(1)), key(*device("anna"))}
    assert find_key(session, str(number), "CN") == first
    assert find_key(session, TABLET[1], "CN") == key(*TABLET)
    assert find_key(session, "139 1234 0001", "CN") == key(*phone(1))
    with pytest.raises(NotFoundError, match="names no identifier"):
        find_key(session, "nobody", "CN")
    with pytest.raises(UsageError, match="both texts name one identifier"):
        explain_link(session, first, first)
