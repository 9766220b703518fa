from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given

from pipelines.identity import resolve
from schemas.identity_rules import Holders, IdentifierRules, IdentityRules
from tests.pipelines.identity.seen import DAY, MemoryDraft, Seen, key, persons, write
from tests.pipelines.identity.test_resolve import TIGHT, evidence, few, received

Place = tuple[object, object]
HUBS = IdentityRules(
    types=(
        IdentifierRules("user_id"),
        IdentifierRules("member_card", holders=(Holders("phone", 2),)),
        IdentifierRules("phone", holders=(Holders("member_card", 2), Holders("user_id", 1))),
        IdentifierRules("device_id", holders=(Holders("user_id", 1),)),
    )
)
A, B, C = ("user_id", "a"), ("user_id", "b"), ("user_id", "c")
PHONE, CARD, DEVICE = ("phone", "5"), ("member_card", "1"), ("device_id", "x")


def run(
    memory: MemoryDraft, seen: list[Seen], day: int = 0, rules: IdentityRules = HUBS
) -> dict[str, list[tuple[object, ...]]]:
    """The changes of that day, by kind."""
    memory.business_date = DAY + timedelta(days=day)
    write(memory.draft, seen)
    resolve(memory.draft, rules)
    found: dict[str, list[tuple[object, ...]]] = {}
    for kind, *rest in memory.session.rows(
        "SELECT kind, one_id, other_one_id FROM identity_changes "
        f"WHERE published_for = DATE '{memory.business_date}' ORDER BY ALL"
    ):
        found.setdefault(str(kind), []).append(tuple(rest))
    return found


def follow(memory: MemoryDraft) -> dict[Place, object]:
    """What a store that only applies the moves has in the end."""
    holders: dict[Place, object] = {}
    for identifier, tenure, origin, target in memory.session.rows(
        "SELECT identifier_key, tenure, one_id_from, one_id_to FROM identity_moves "
        "ORDER BY published_for, identifier_key"
    ):
        assert holders.get((identifier, tenure)) == origin
        holders[identifier, tenure] = target
    return {place: holder for place, holder in holders.items() if holder is not None}


def published(memory: MemoryDraft) -> dict[Place, object]:
    rows = memory.session.rows(
        "SELECT identifier_key, tenure, one_id FROM tenures WHERE one_id IS NOT NULL"
    )
    return {(key, tenure): one_id for key, tenure, one_id in rows}


def causes(memory: MemoryDraft, day: int) -> dict[object, object]:
    rows = memory.session.rows(
        "SELECT identifier_key, cause FROM identity_moves "
        f"WHERE published_for = DATE '{DAY + timedelta(days=day)}'"
    )
    return {row[0]: row[1] for row in rows}


def who(memory: MemoryDraft, member: tuple[str, str]) -> str:
    return next(one for one, held in persons(memory.session).items() if member in held)


@few
@given(evidence())
def test_moves_and_changes_retell_what_was_published(
    memory: MemoryDraft, seen: list[Seen]
) -> None:
    memory.clear()
    before: set[object] = set()
    # The limits tighten on the last day, so that whole persons fall apart.
    loose = TIGHT.without_hubs()
    for day, rules in zip((2, 4, 7, 9), (loose, loose, TIGHT, TIGHT), strict=True):
        told = run(memory, received(seen, day), day, rules)
        assert follow(memory) == published(memory)
        after = set(published(memory).values())
        fresh = {row[0] for kind in ("created", "split") for row in told.get(kind, [])}
        gone = {row[1] for row in told.get("merged", [])} | {
            row[0] for row in told.get("vanished", [])
        }
        assert (before | fresh) - gone == after
        assert fresh.isdisjoint(before)
        assert gone <= before
        before = after
    memory.hold_contracts()


def test_a_merge_names_survivor_and_absorbed(memory: MemoryDraft) -> None:
    memory.clear()
    seen = [Seen("e0", 0, (A, PHONE)), Seen("e1", 0, (CARD,))]
    assert set(run(memory, seen)) == {"created"}
    elder, younger = who(memory, A), who(memory, CARD)
    assert run(memory, [*seen, Seen("e2", 1, (A, CARD))], 1) == {"merged": [(elder, younger)]}
    assert causes(memory, 1) == {key(*CARD): "merge"}


def test_a_hub_splits_its_person(memory: MemoryDraft) -> None:
    memory.clear()
    seen = [Seen("e0", 0, (A, DEVICE)), Seen("e1", 0, (PHONE, DEVICE))]
    run(memory, seen)
    whole = who(memory, A)
    told = run(memory, [*seen, Seen("e2", 1, (B, DEVICE))], 1)
    assert told == {"created": [(who(memory, B), "")], "split": [(who(memory, PHONE), whole)]}
    assert causes(memory, 1) == {
        key(*DEVICE): "screen", key(*PHONE): "split", key(*B): "evidence"
    }  # fmt: skip


def test_a_person_whose_birth_is_screened_vanishes_into_new_ones(memory: MemoryDraft) -> None:
    memory.clear()
    seen = [Seen("e0", 0, (DEVICE,)), Seen("e1", 0, (A, DEVICE))]
    run(memory, seen)
    old = who(memory, DEVICE)
    told = run(memory, [*seen, Seen("e2", 1, (B, DEVICE))], 1)
    assert told == {
        "created": [(who(memory, B), "")],
        "split": [(who(memory, A), old)],
        "vanished": [(old, "")],
    }


def test_remains_of_two_persons_that_join_are_two_splits_and_one_person(
    memory: MemoryDraft,
) -> None:
    memory.clear()
    other = ("device_id", "y")
    # Each person was born on a device, which will be a hub: what is left is nobody known.
    seen = [
        Seen("e0", 0, (DEVICE,)), Seen("e1", 0, (A, DEVICE)),
        Seen("e2", 0, (other,)), Seen("e3", 0, (CARD, other)),
    ]  # fmt: skip
    run(memory, seen)
    hubs = [Seen("e4", 1, (B, DEVICE)), Seen("e5", 1, (A, other)), Seen("e6", 1, (C, other))]
    before, joined = len(persons(memory.session)), Seen("e7", 1, (A, CARD))
    assert before == 2
    memory.business_date = DAY + timedelta(days=1)
    write(memory.draft, [*seen, *hubs, joined])
    told = resolve(memory.draft, HUBS)
    ((rows,),) = memory.session.rows(
        "SELECT count(*) FROM identity_changes WHERE kind = 'split' "
        f"AND published_for = DATE '{memory.business_date}'"
    )
    assert (rows, told.split) == (2, 1)
    assert told.count_persons == before + told.created + told.split - told.merged - told.vanished


def test_a_second_publication_for_a_date_is_told_from_the_state_before_it(
    memory: MemoryDraft,
) -> None:
    memory.clear()
    first = [Seen("e0", 0, (A,)), Seen("e1", 0, (B,))]
    run(memory, first)
    joined = [*first, Seen("e2", 1, (A, PHONE)), Seen("e3", 1, (B, PHONE)), Seen("e4", 1, (C,))]
    once = run(memory, joined, 1, HUBS.without_hubs())
    assert set(once) == {"created", "merged"}
    again = run(memory, joined, 1)
    assert set(again) == {"created"}
    assert follow(memory) == published(memory)


@pytest.mark.parametrize("day", [0, 1])
def test_nothing_new_moves_nothing(memory: MemoryDraft, day: int) -> None:
    memory.clear()
    seen = [Seen("e0", 0, (A, PHONE))]
    first = run(memory, seen)
    assert run(memory, seen, day) == (first if day == 0 else {})
