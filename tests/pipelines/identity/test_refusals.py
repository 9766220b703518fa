"""Every link that evidence asks for is listed, as taken or as refused with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest

from lake.engines.duckdb import Session
from pipelines.identity import explain_link, resolve
from pipelines.identity.limits import limits
from schemas.identity_rules import IdentityRules
from tests.pipelines.identity.seen import MemoryDraft, key, write
from tests.pipelines.identity.worlds import DAYS, decision, phone, user

Stay = tuple[int, int]


@pytest.fixture(scope="module")
def session(rules: IdentityRules, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    with Session(tmp_path_factory.mktemp("spill"), threads=1) as opened:
        draft = MemoryDraft(opened)
        draft.clear()
        write(draft.draft, DAYS)
        draft.append("identity_decisions", decision("d1", "unlink", user("emma"), phone(4)))
        resolve(draft.draft, rules)
        yield opened


def held(session: Session) -> dict[Stay, str | None]:
    """Stay → one_id; what is screened or shared unites nothing and is left out."""
    rows = session.rows(
        "SELECT identifier_key, tenure, one_id FROM tenures "
        "WHERE kind NOT IN ('blocked', 'hub', 'shared')"
    )
    return {(int(str(one)), int(str(n))): one_id and str(one_id) for one, n, one_id in rows}


def asked_for(session: Session, rules: IdentityRules) -> set[frozenset[Stay]]:
    """On each event, the strongest that unites beside each of the others."""
    strength = {one.type: place for place, one in enumerate(rules.ranked())}
    stretches = session.rows(
        "SELECT identifier_key, tenure, coalesce(valid_from, DATE '0001-01-01'), "
        "coalesce(valid_to, DATE '9999-12-31') FROM tenures"
    )
    uniting, pairs = held(session), set()
    for one in DAYS:
        stays = [
            (int(str(k)), int(str(n)))
            for type, value in sorted(one.members, key=lambda it: strength[it[0]])
            for k, n, start, end in stretches
            if k == key(type, value) and start <= one.business_date < end  # type: ignore[operator]
        ]
        strongest, *others = [stay for stay in stays if stay in uniting] or [(0, 0)]
        pairs |= {frozenset((strongest, other)) for other in others}
    return pairs


@pytest.mark.rule("CDP-4")
def test_every_link_of_the_evidence_is_listed_and_every_refused_one_with_its_reason(
    session: Session, rules: IdentityRules
) -> None:
    rows = session.rows(
        "SELECT identifier_key_a, tenure_a, identifier_key_b, tenure_b, status, rule FROM links"
    )
    listed = {frozenset(((a, m), (b, n))): (str(s), rule) for a, m, b, n, s, rule in rows}
    assert set(listed) == asked_for(session, rules)
    holders = held(session)
    reasons = {"outlier", "decision d1", *(one.name for one in limits(rules))}
    for pair, (status, rule) in listed.items():
        one, other = (holders[stay] for stay in pair)  # type: ignore[index]
        assert (status == "refused") == (rule is not None)
        assert status == "refused" or one == other
        assert rule is None or rule in reasons
    assert {status for status, _ in listed.values()} == {"accepted", "refused"}


@pytest.mark.rule("CDP-4")
def test_a_refused_link_is_told_with_its_reason_to_whoever_asks(session: Session) -> None:
    refused = session.rows(
        "SELECT identifier_key_a, identifier_key_b, rule FROM links WHERE status = 'refused'"
    )
    told = 0
    for a, b, rule in refused:
        found = explain_link(session, int(str(a)), int(str(b)))
        if not found["is_joined"]:
            says = " ".join(row["says"] for row in found["reasons"] if row["why"] == "refused")
            assert str(rule) in says
            told += 1
    assert told == len(refused) > 1


def test_no_two_identifiers_of_one_event_are_apart_without_a_reason(session: Session) -> None:
    for one in DAYS[::7]:
        for a, b in combinations(one.members, 2):
            found = explain_link(session, key(*a), key(*b))
            assert found["is_joined"] or found["reasons"]
