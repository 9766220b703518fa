"""One more day redoes what it touches, and gives what the whole would give."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings

from lake.engines.duckdb import Session
from lake.store import Lake, open_lake
from pipelines.identity import resolve
from schemas.identity_rules import IdentityRules
from tests.pipelines.identity.conftest import Publish
from tests.pipelines.identity.seen import BEGIN, DAY, MemoryDraft, Seen, write
from tests.pipelines.identity.test_resolve import DAYS, TIGHT, evidence, received, run

STATE = {
    "screened": "*",
    "raw_components": "*",
    "tenures": "*",
    "links": "*",
    "persons": "* EXCLUDE (person_no)",
    "bundle_persons": "*",
}
PHONE, CARD, DEVICE, USER = ("phone", "5"), ("member_card", "1"), ("device_id", "x"), ("user_id", "a")


def state(session: Session) -> dict[str, list[tuple[object, ...]]]:
    return {
        name: session.rows(f"SELECT {columns} FROM {name} ORDER BY ALL")
        for name, columns in STATE.items()
    }


def release(lake: Lake, seen: list[Seen], day: int, rules: IdentityRules) -> None:
    with lake.draft(DAY + timedelta(days=day), BEGIN + timedelta(days=day + 1)) as draft:
        write(draft, seen)
        resolve(draft, rules)
        draft.publish("run", "inputs", "rules", lambda: datetime(2018, 1, 1, tzinfo=UTC))


def plans(lake: Lake) -> list[tuple[object, ...]]:
    with lake.reader() as session:
        return session.rows(
            "SELECT plan, count_components_redone FROM identity_runs ORDER BY published_for"
        )


@pytest.mark.slow
@settings(max_examples=6)
@given(evidence())
def test_days_by_delta_give_the_same_as_the_whole(memory: MemoryDraft, seen: list[Seen]) -> None:
    memory.clear()
    run(memory, seen, day=DAYS[-1])
    with tempfile.TemporaryDirectory() as folder:
        lake = open_lake(Path(folder) / "lake", create=True)
        for day in DAYS:
            release(lake, received(seen, day), day, TIGHT)
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


def test_other_rules_redo_everything(lake: Lake, publish: Publish, rules: IdentityRules) -> None:
    known = [Seen("e0", 0, (USER, DEVICE)), Seen("e1", 0, (CARD, PHONE))]
    publish(known)
    publish(known, day=1, rules=rules.without_tenures())
    assert plans(lake) == [("whole", 2), ("whole", 2)]
