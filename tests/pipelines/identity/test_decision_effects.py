"""What decisions of people do to who is who."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.identity import resolve
from pipelines.identity.decisions import Entry, standing
from schemas import catalog
from schemas.identity_rules import IdentityRules
from tests.oracles.identity_oracle import resolve_slowly
from tests.oracles.stays_oracle import Decision
from tests.pipelines.identity.seen import BEGIN, DAY, MemoryDraft, Seen, key, persons, write
from tests.pipelines.identity.test_resolve import MEMBER, TIGHT, evidence, few, hold_against

USER, OTHER = ("user_id", "a"), ("user_id", "b")
PHONE, CARD, DEVICE = ("phone", "5"), ("member_card", "1"), ("device_id", "x")


def decision_rows(
    decisions: Sequence[Decision], revoked: Sequence[str], received_at: datetime
) -> pa.Table:
    """Decisions as ingest loads them, and then those that revoke some of them."""
    rows = [
        {
            "decision_id": name, "kind": kind, "identifier_key_a": key(*a),
            "identifier_key_b": key(*b) if b else None, "reason": "said so", "author": "ann",
            "decided_at": BEGIN, "received_at": received_at, "file": "f",
        }
        for name, kind, a, b in decisions
    ] + [
        {
            "decision_id": f"r-{name}", "kind": "revoke", "revokes": name, "reason": "mistaken",
            "author": "bob", "decided_at": BEGIN, "received_at": received_at, "file": "f",
        }
        for name in revoked
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, schema=catalog.table("identity_decisions").schema)


def decide(
    memory: MemoryDraft,
    *decisions: Decision,
    revoked: Sequence[str] = (),
    received_at: datetime = BEGIN,
) -> None:
    memory.session.register("decided", decision_rows(decisions, revoked, received_at))
    memory.append("identity_decisions", "SELECT * FROM decided")
    memory.session.con.unregister("decided")


def run(memory: MemoryDraft, seen: list[Seen], rules: IdentityRules, day: int = 9) -> None:
    memory.business_date = DAY + timedelta(days=day)
    write(memory.draft, seen)
    resolve(memory.draft, rules)


@st.composite
def decided(draw: st.DrawFn) -> tuple[list[Seen], list[Decision]]:
    """Events, and decisions on them that do not contradict one another."""
    seen = draw(evidence())
    found: list[Decision] = []
    for number in range(draw(st.integers(1, 8))):
        world = str(draw(st.integers(0, 11)))
        kind = draw(st.sampled_from(["link", "unlink", "block"]))
        pair = draw(st.lists(MEMBER, min_size=2, max_size=2, unique=True))
        (t, v), (u, w) = pair
        a, b = (t, world + v), (u, world + w)
        found.append((f"d{number}", kind, a, None if kind == "block" else b))
    entries = [
        Entry(BEGIN, name, kind, key(*a), key(*b) if b else None) for name, kind, a, b in found
    ]
    stand = {entry.decision_id for entry in standing(entries)}
    return seen, [one for one in found if one[0] in stand]


@few
@given(decided())
def test_every_table_equals_the_slow_oracle_under_decisions(
    memory: MemoryDraft, world: tuple[list[Seen], list[Decision]]
) -> None:
    seen, decisions = world
    memory.clear()
    decide(memory, *decisions)
    run(memory, seen, TIGHT)
    hold_against(memory, resolve_slowly(seen, TIGHT, decisions))
    memory.hold_contracts()


@few
@given(decided())
def test_revoked_decisions_leave_nothing(
    memory: MemoryDraft, world: tuple[list[Seen], list[Decision]]
) -> None:
    seen, decisions = world
    names = ("screened", "raw_components", "tenures", "links", "persons", "bundle_persons")
    memory.clear()
    run(memory, seen, TIGHT)
    before = {name: memory.session.rows(f"SELECT * FROM {name} ORDER BY ALL") for name in names}
    memory.clear()
    decide(memory, *decisions, revoked=[name for name, *_ in decisions])
    run(memory, seen, TIGHT)
    for name in names:
        assert memory.session.rows(f"SELECT * FROM {name} ORDER BY ALL") == before[name], name


@pytest.mark.rule("CDP-4")
def test_unlinked_identifiers_are_apart_and_the_decision_is_named(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    memory.clear()
    seen = [Seen("e0", 0, (USER, PHONE)), Seen("e1", 1, (CARD, PHONE))]
    run(memory, seen, rules, day=1)
    assert len(persons(memory.session)) == 1
    decide(memory, ("d1", "unlink", USER, CARD))
    run(memory, seen, rules, day=2)
    held = persons(memory.session).values()
    assert sorted(map(sorted, held)) == [[CARD], [PHONE, USER]]
    refused = memory.session.rows("SELECT rule FROM links WHERE status = 'refused'")
    assert refused == [("decision d1",)]
    moves = memory.session.rows(
        f"SELECT identifier_key, cause FROM identity_moves WHERE published_for = DATE '{DAY}' + 2"
    )
    assert [moved for moved, _ in moves] == [key(*CARD)]


def test_a_link_waives_a_limit_and_says_so(memory: MemoryDraft, rules: IdentityRules) -> None:
    memory.clear()
    seen = [Seen("e0", 0, (USER, PHONE)), Seen("e1", 1, (OTHER, CARD))]
    decide(memory, ("d1", "link", USER, OTHER))
    run(memory, seen, rules)
    assert list(persons(memory.session).values()) == [{USER, OTHER, PHONE, CARD}]
    (waived,) = memory.session.rows(
        "SELECT rule, evidence, source, event_id FROM links WHERE rule IS NOT NULL"
    )
    assert waived == (
        "decision d1 waives user_id: at most 1", "decision", "identity_decisions", "d1"
    )  # fmt: skip


def test_a_blocked_identifier_unites_nothing_in_all_history(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    memory.clear()
    seen = [Seen("e0", 0, (USER, PHONE)), Seen("e1", 1, (CARD, PHONE))]
    decide(memory, ("d1", "block", PHONE, None))
    run(memory, seen, rules)
    assert sorted(map(sorted, persons(memory.session).values())) == [[CARD], [USER]]
    assert memory.session.rows("SELECT reason, rule FROM screened") == [("blocked", "decision d1")]
