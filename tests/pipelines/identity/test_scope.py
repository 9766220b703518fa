"""One more day redoes what it touches, and gives what the whole would give."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from lake.engines.duckdb import Session
from lake.store import Lake, open_lake
from pipelines.identity import resolve
from schemas.identity_rules import IdentityRules
from tests.oracles.stays_oracle import Decision
from tests.pipelines.identity.conftest import Publish
from tests.pipelines.identity.seen import BEGIN, DAY, MemoryDraft, Seen, key, write
from tests.pipelines.identity.test_decision_effects import decide, decided, decision_rows
from tests.pipelines.identity.test_resolve import DAYS, TIGHT, received, run

STATE = {
    "screened": "*",
    "raw_components": "*",
    "tenures": "*",
    "links": "*",
    "persons": "* EXCLUDE (person_no)",
    "bundle_persons": "*",
}
PHONE, CARD = ("phone", "5"), ("member_card", "1")
DEVICE, USER = ("device_id", "x"), ("user_id", "a")


def state(session: Session) -> dict[str, list[tuple[object, ...]]]:
    return {
        name: session.rows(f"SELECT {columns} FROM {name} ORDER BY ALL")
        for name, columns in STATE.items()
    }


def release(
    lake: Lake,
    seen: list[Seen],
    day: int,
    rules: IdentityRules,
    decisions: Sequence[Decision] = (),
    revoked: Sequence[str] = (),
) -> None:
    """One release; ``decisions`` and revocations are received on its day."""
    with lake.draft(DAY + timedelta(days=day), BEGIN + timedelta(days=day + 1)) as draft:
        write(draft, seen)
        rows = decision_rows(decisions, revoked, BEGIN + timedelta(days=day, hours=1))
        draft.session.register("decided", rows)
        draft.append("identity_decisions", "SELECT * FROM decided")
        resolve(draft, rules)
        draft.publish("run", "inputs", "rules", lambda: datetime(2018, 1, 1, tzinfo=UTC))


def plans(lake: Lake) -> list[tuple[object, ...]]:
    with lake.reader() as session:
        return session.rows(
            "SELECT plan, count_components_redone FROM identity_runs ORDER BY published_for"
        )


@pytest.mark.slow
@settings(max_examples=4, phases=[Phase.explicit, Phase.generate])
@given(decided())
def test_days_by_delta_give_the_same_as_the_whole(
    memory: MemoryDraft, world: tuple[list[Seen], list[Decision]]
) -> None:
    seen, decisions = world
    taken_back = [name for name, *_ in decisions[1::2]]
    memory.clear()
    received_at = BEGIN + timedelta(days=DAYS[1], hours=1)
    decide(memory, *decisions, revoked=taken_back, received_at=received_at)
    run(memory, seen, day=DAYS[-1])
    with tempfile.TemporaryDirectory() as folder:
        lake = open_lake(Path(folder) / "lake", create=True)
        release(lake, received(seen, DAYS[0]), DAYS[0], TIGHT)
        release(lake, received(seen, DAYS[1]), DAYS[1], TIGHT, decisions)
        release(lake, received(seen, DAYS[2]), DAYS[2], TIGHT, revoked=taken_back)
        with lake.reader() as session:
            assert state(session) == state(memory.session)
        assert {plan for plan, _ in plans(lake)[1:]} == {"delta"}


def test_a_pair_seen_again_is_no_work(lake: Lake, publish: Publish) -> None:
    known = [Seen("e0", 0, (USER, DEVICE)), Seen("e1", 0, (CARD, PHONE))]
    publish(known)
    before = [lake.release().files(name) for name in STATE]
    publish([*known, Seen("e2", 1, (USER, DEVICE)), Seen("e3", 1, (CARD, PHONE))], day=1)
    assert plans(lake) == [("whole", 2), ("delta", 0)]
    assert [lake.release().files(name) for name in STATE] == before


def test_a_new_pair_redoes_its_own_component_alone(lake: Lake, publish: Publish) -> None:
    known = [Seen("e0", 0, (USER, DEVICE)), Seen("e1", 0, (CARD, PHONE))]
    publish(known)
    publish([*known, Seen("e2", 1, (USER, ("email", "a@b.cn")))], day=1)
    assert plans(lake) == [("whole", 2), ("delta", 1)]


@pytest.mark.rule("CDP-4")
def test_a_decision_moves_its_component_alone_and_is_the_cause(
    lake: Lake, publish: Publish, rules: IdentityRules
) -> None:
    known = [Seen("e0", 0, (USER, PHONE)), Seen("e1", 0, (CARD, PHONE)), Seen("e2", 0, (DEVICE,))]
    publish(known)
    with lake.reader() as session:
        before = state(session)
    release(lake, known, 1, rules, [("d1", "unlink", USER, CARD)])
    with lake.reader() as session:
        moved = session.rows(
            "SELECT identifier_key, cause FROM identity_moves "
            f"WHERE published_for > DATE '{DAY}' ORDER BY ALL"
        )
    assert moved == [(key(*CARD), "decision")]
    release(lake, known, 2, rules, revoked=["d1"])
    with lake.reader() as session:
        assert state(session) == before
    assert plans(lake) == [("whole", 2), ("delta", 1), ("delta", 1)]


def test_other_rules_redo_everything(lake: Lake, publish: Publish, rules: IdentityRules) -> None:
    known = [Seen("e0", 0, (USER, DEVICE)), Seen("e1", 0, (CARD, PHONE))]
    publish(known)
    publish(known, day=1, rules=rules.without_tenures())
    assert plans(lake) == [("whole", 2), ("whole", 2)]
