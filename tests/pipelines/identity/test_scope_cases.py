"""Cases in which one more day can change what it does not seem to touch."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from lake.store import open_lake
from pipelines.identity import resolve
from schemas.identity_rules import IdentityRules
from tests.oracles.stays_oracle import Decision, Identifier
from tests.pipelines.identity.seen import BEGIN, DAY, MemoryDraft, Seen, write
from tests.pipelines.identity.test_decision_effects import decision_rows
from tests.pipelines.identity.test_scope import plans, release, state

Decided = dict[int, Sequence[Decision]]
U, V, W = ("user_id", "user-u"), ("user_id", "user-v"), ("user_id", "user-w")
CARD, OTHER, OLD = ("member_card", "M1"), ("member_card", "M2"), ("member_card", "M3")
PHONE, EMAIL = ("phone", "+8613912340001"), ("email", "someone@example.cn")
TABLET, SHARED, COOKIE = ("device_id", "t"), ("device_id", "s"), ("cookie_id", "c")


def at(event_id: str, day: int, *members: Identifier, received: int | None = None) -> Seen:
    return Seen(event_id, day, members, day if received is None else received)


def user(number: int) -> Identifier:
    return ("user_id", f"user-{number}")


def card(number: int) -> Identifier:
    return ("member_card", f"C{number}")


CROWD = [at(f"t{n}", 0, TABLET, user(n)) for n in range(5)]
CARDS = [at(f"h{n}", 0, PHONE, card(n)) for n in range(5)]
EMAILS = [at(f"m{n}", min(n, 1), EMAIL, ("phone", f"+861391235{n:04}")) for n in range(5)]
SHARING = [at(f"s{n}", n, SHARED, (U, V)[n % 2]) for n in range(4)]
BLOCK_PHONE: Decision = ("d1", "block", PHONE, None)
BLOCK_TABLET: Decision = ("d1", "block", TABLET, None)
LINK: Decision = ("d1", "link", PHONE, U)

CASES: dict[str, tuple[list[Seen], list[int], Decided]] = {
    "a pair seen again that breaks a dated limit": (
        [at("a", 0, U, CARD), at("b", 4, U, CARD), at("c", 3, U, OTHER), at("d", 5, U, OTHER),
         at("e", 20, U, CARD), at("f", 21, U, OTHER)], [5, 21], {}),
    "a lone value that becomes a hub": (
        [at("a", 0, PHONE), at("b", 0, PHONE, OLD)]
        + [at(f"h{n}", 1, PHONE, card(n)) for n in range(5)], [0, 1], {}),
    "a lone value that is blocked": (
        [at("a", 0, PHONE), at("b", 0, PHONE, U)], [0, 1], {1: [BLOCK_PHONE]}),
    "a hub that is blocked": (CROWD, [0, 1], {1: [BLOCK_TABLET]}),
    "a linked hub that is freed": (
        [*CARDS, at("x", 0, U)], [0, 1, 2], {0: [LINK], 2: [("d2", "block", card(0), None)]}),
    "a linked value that is seen later": ([at("x", 0, U), at("y", 1, PHONE)], [0, 1], {0: [LINK]}),
    "a linked hub that a block elsewhere frees": (
        [at("x", 0, U), *EMAILS], [0, 1, 2],
        {0: [("d1", "link", EMAIL, U)], 2: [("d2", "block", EMAILS[3].members[1], None)]}),
    "a late log-in on a hub beside a shared value": (
        [*CROWD, *SHARING, at("x", 4, TABLET, SHARED), at("l", 4, TABLET, user(0), received=6)],
        [5, 6], {}),
    "a value that may not stand alone, seen again with a log-in": (
        [*CROWD, at("x", 0, TABLET, COOKIE), at("x2", 3, TABLET, COOKIE),
         at("l", 3, TABLET, user(0))], [0, 3], {}),
    "a borrower who is merged": (
        [*CROWD, *SHARING, at("x", 4, TABLET, SHARED), at("l", 4, TABLET, user(0)),
         at("old", 0, OTHER, received=0), at("m", 6, OTHER, user(0))], [5, 6], {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def wary(rules: IdentityRules) -> IdentityRules:
    """The packaged rules, under which a cookie may not stand alone."""
    types = tuple(
        msgspec.structs.replace(one, may_stand_alone=one.type != "cookie_id") for one in rules.types
    )
    return msgspec.structs.replace(rules, types=types)


def whole(
    memory: MemoryDraft, seen: list[Seen], day: int, decided: Decided, rules: IdentityRules
) -> None:
    memory.clear()
    memory.business_date = DAY + timedelta(days=day)
    rows = [
        decision_rows(chosen, (), BEGIN + timedelta(days=on, hours=1))
        for on, chosen in decided.items()
    ]
    if rows:
        memory.session.register("decided", pa.concat_tables(rows))
        memory.append("identity_decisions", "SELECT * FROM decided")
        memory.session.con.unregister("decided")
    write(memory.draft, seen)
    resolve(memory.draft, rules)


@pytest.mark.parametrize("case", CASES)
def test_days_by_delta_equal_the_whole(
    memory: MemoryDraft, tmp_path: Path, wary: IdentityRules, case: str
) -> None:
    seen, days, decided = CASES[case]
    lake = open_lake(tmp_path / "lake", create=True)
    for day in days:
        known = [one for one in seen if one.received is not None and one.received <= day]
        release(lake, known, day, wary, decided.get(day, ()))
    whole(memory, seen, days[-1], decided, wary)
    with lake.reader() as session:
        assert state(session) == state(memory.session)
    assert {plan for plan, _ in plans(lake)[1:]} == {"delta"}


def test_a_delivery_stamped_before_the_last_cut_makes_an_earlier_birth(
    memory: MemoryDraft, tmp_path: Path, wary: IdentityRules
) -> None:
    first, late = at("e", 3, U, CARD), at("late", 1, U, CARD)
    lake = open_lake(tmp_path / "lake", create=True)
    release(lake, [first], 4, wary)
    release(lake, [first, late], 5, wary)
    whole(memory, [first, late], 5, {}, wary)
    with lake.reader() as session:
        assert state(session) == state(memory.session)
