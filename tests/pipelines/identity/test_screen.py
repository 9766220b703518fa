from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.identifiers import normalise
from pipelines.identity import resolve
from schemas.identity_rules import PLACEHOLDERS, IdentityRules
from schemas.sources import IDENTIFIER_TYPES
from tests.pipelines.identity.seen import MemoryDraft, Seen, persons, write

ZERO_UUID = "00000000-0000-0000-0000-000000000000"


Rows = list[tuple[object, ...]]


def screened(memory: MemoryDraft, seen: list[Seen], rules: IdentityRules) -> Rows:
    memory.clear()
    write(memory.draft, seen)
    resolve(memory.draft, rules)
    return memory.session.rows(
        "SELECT s.type, i.value, s.reason, s.rule, s.count_partners "
        "FROM screened s JOIN identifiers i USING (identifier_key) ORDER BY ALL"
    )


def test_device_ids_that_name_nobody_are_blocked_and_unite_nothing(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    values = ["-1", "0", "unknown", "Anonymous", "undefined", "null", ZERO_UUID, "0" * 15]
    seen = [
        Seen(f"e{number}{user}", 0, (("device_id", value), ("user_id", user)))
        for number, value in enumerate(values)
        for user in ("ann", "bob")
    ]
    found = screened(memory, seen, rules)
    assert sorted(str(row[1]) for row in found) == sorted(values)
    assert {(row[0], row[2], row[4]) for row in found} == {("device_id", "blocked", 0)}
    assert {row[3] for row in found} == {"any: blocked value", "any: all_zeros"}
    assert len(persons(memory.session)) == 2


def test_a_value_with_a_zero_in_it_is_not_blocked(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    assert screened(memory, [Seen("e", 0, (("device_id", "a0"), ("user_id", "10")))], rules) == []


def test_a_clerks_placeholder_phone_is_a_hub(memory: MemoryDraft, rules: IdentityRules) -> None:
    phone = ("phone", "+8613800138001")
    seen = [Seen(f"e{n:03}", 0, (phone, ("member_card", f"M{n}"))) for n in range(300)]
    assert screened(memory, seen, rules) == [
        (*phone, "hub", "phone: at most 4 member_card", 300)
    ]
    assert len(persons(memory.session)) == 300


def test_a_store_tablet_is_a_hub_and_a_family_tablet_is_not(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    seen = [
        Seen(f"{device}{n:03}", 0, (("device_id", device), ("user_id", f"{device}-u{n}")))
        for device, users in (("shop", 200), ("home", 3))
        for n in range(users)
    ]
    assert screened(memory, seen, rules) == [
        ("device_id", "shop", "hub", "device_id: at most 3 user_id", 200)
    ]


@pytest.mark.parametrize(("cards", "is_hub"), [(4, False), (5, True)])
def test_a_value_at_its_limit_is_no_hub(
    memory: MemoryDraft, rules: IdentityRules, cards: int, is_hub: bool
) -> None:
    seen = [Seen(f"e{n}", 0, (("phone", "+861"), ("member_card", f"M{n}"))) for n in range(cards)]
    assert bool(screened(memory, seen, rules)) is is_hub


def test_blocked_partners_make_no_hub(memory: MemoryDraft, rules: IdentityRules) -> None:
    users = ["1", "2", "3", "null", "unknown", "0"]
    seen = [Seen(f"e{u}", 0, (("device_id", "d"), ("user_id", u))) for u in users]
    assert {row[2] for row in screened(memory, seen, rules)} == {"blocked"}


def test_the_limit_that_is_exceeded_most_is_named(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    phone = ("phone", "+861")
    seen = [Seen(f"c{n}", 0, (phone, ("member_card", f"M{n}"))) for n in range(5)]
    seen += [Seen(f"u{n}", 0, (phone, ("user_id", f"u{n}"))) for n in range(9)]
    assert screened(memory, seen, rules) == [(*phone, "hub", "phone: at most 4 user_id", 9)]


def spelt(value: str) -> list[str]:
    return [value, value.upper(), value.title()]


NULLISH = sorted(
    {
        *(one for value in PLACEHOLDERS.values for one in spelt(value)),
        ZERO_UUID,
        "0", "00", "0" * 15, "0" * 16, "0-0", "-0-", "00000000000000000000000000000000",
    }
)  # fmt: skip
TYPES = ("device_id", "phone", "idfa", "a-type-that-nobody-declared", "user_id")


@pytest.mark.rule("CDP-4")
@settings(max_examples=8)
@given(
    type=st.sampled_from(TYPES),
    strangers=st.integers(2, 5),
    days=st.lists(st.integers(0, 9), min_size=5, max_size=5),
)
def test_with_no_rules_at_all_no_placeholder_joins_strangers_or_is_a_person(
    memory: MemoryDraft, type: str, strangers: int, days: list[int]
) -> None:
    seen = [
        Seen(f"{place}-{n}", days[n], ((type, value), ("cookie_id", f"stranger{n}")))
        for place, value in enumerate(NULLISH)
        for n in range(strangers)
    ]
    seen += [Seen(f"alone-{value}", 0, ((type, value),)) for value in NULLISH]
    found = screened(memory, seen, IdentityRules(undeclared="accept"))
    assert sorted((row[0], str(row[1]), row[2]) for row in found) == [
        (type, value, "blocked") for value in NULLISH
    ]
    assert sorted(map(sorted, persons(memory.session).values())) == [
        [("cookie_id", f"stranger{n}")] for n in range(strangers)
    ]


@pytest.mark.parametrize("kind", IDENTIFIER_TYPES)
def test_what_is_empty_is_no_identifier_at_all(kind: str) -> None:
    for blank in (None, "", "  ", "\t\n", "\u3000", "\u200b", "\x00"):
        assert normalise(kind, blank, "CN") is None
