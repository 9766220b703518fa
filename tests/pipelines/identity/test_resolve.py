from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.store import Lake
from pipelines.identity import resolve, timeline
from pipelines.identity.name import one_id
from schemas.errors import ConfigError
from schemas.identity_rules import (
    NO_RULES,
    Blocked,
    Evidence,
    Exclusive,
    Holders,
    IdentifierRules,
    IdentityRules,
    PerPerson,
    Weights,
)
from tests.oracles.identity_oracle import resolve_slowly
from tests.oracles.stays_oracle import FIRST, LAST, Resolved
from tests.pipelines.identity.conftest import Publish
from tests.pipelines.identity.seen import DAY, MemoryDraft, Seen, persons, write

PHONE_LIMITS = (
    PerPerson(1, overlapping_days=1, unless_verified=True),
    PerPerson(2, unless_verified=True),
    PerPerson(3),
)
# Every rule there is, so small that a few events set it off.
TIGHT = IdentityRules(
    types=(
        IdentifierRules("user_id", per_person=(PerPerson(1),)),
        IdentifierRules(
            "member_card",
            holders=(Holders("phone", 4),),
            per_person=(PerPerson(1, within_days=3), PerPerson(2)),
            exclusive=(Exclusive("phone"),),
        ),
        IdentifierRules(
            "phone",
            blocked=Blocked(values=("9",)),
            holders=(Holders("member_card", 3), Holders("user_id", 2, within_days=4)),
            per_person=PHONE_LIMITS,
            transferable=True,
            exclusive=(
                Exclusive("user_id"), Exclusive("member_card", silence_days=2, overlap="strongest")
            ),
        ),
        IdentifierRules(
            "device_id",
            holders=(Holders("user_id", 2),),
            transferable=True,
            exclusive=(Exclusive("user_id", near_days=2),),
            borrowed_by="user_id",
            may_stand_alone=False,
        ),
    ),
    blocked=Blocked(values=("none",), patterns={"zeros": "0+"}),
    evidence=(
        Evidence("verified", (("user_id", "phone"),), verifies=True),
        Evidence("told", (("member_card", "phone"),)),
        Evidence("likeness", sources=("erp",)),
    ),
    weights=Weights(passer_by_times=2, shared_times=2, strong_days=2),
)  # fmt: skip
NOBODY = {"9", "00", "None"}
MEMBER = st.one_of(
    st.tuples(st.just("user_id"), st.sampled_from("abc")),
    st.tuples(st.just("member_card"), st.sampled_from("1234")),
    st.tuples(st.just("phone"), st.sampled_from("5679")),
    st.tuples(st.just("device_id"), st.sampled_from(["x", "y", "00", "None"])),
)
LAST_DAY = 9
DAYS = (2, 5, LAST_DAY)


# One resolution costs far more than one event, so that an example holds many small worlds.
WORLDS = 12
few = settings(max_examples=4)


@st.composite
def evidence(draw: st.DrawFn) -> list[Seen]:
    """Events of several worlds that share nothing but values that name nobody."""
    return [one for world in range(WORLDS) for one in draw(small_world(str(world)))]


@st.composite
def small_world(draw: st.DrawFn, world: str) -> list[Seen]:
    """Events that come back to a few sets of identifiers, as persons do."""
    sets = draw(st.lists(st.lists(MEMBER, max_size=3, unique=True), min_size=1, max_size=5))
    found = []
    for number in range(draw(st.integers(0, 16))):
        day = draw(st.integers(0, LAST_DAY))
        members = draw(st.sampled_from(sets))
        apart = tuple((type, v if v in NOBODY else world + v) for type, v in members)
        source = draw(st.sampled_from(["app", "app", "erp"]))
        late = draw(st.sampled_from([day, day, day, LAST_DAY]))
        found.append(Seen(f"e{world}-{number:02}", day, apart, late, source))
    return found


def received(seen: list[Seen], day: int) -> list[Seen]:
    """What was received by the end of a day."""
    return [one for one in seen if one.received is not None and one.received <= day]


def run(memory: MemoryDraft, seen: list[Seen], rules: IdentityRules = TIGHT, day: int = 0) -> None:
    memory.business_date = DAY + timedelta(days=day)
    write(memory.draft, seen)
    resolve(memory.draft, rules)


@pytest.mark.rule("CDP-3")
def test_device_phone_openid_and_card_seen_in_pairs_are_one_person(
    lake: Lake, publish: Publish
) -> None:
    device, phone = ("device_id", "d-1"), ("phone", "+8613912345678")
    openid, card = ("openid", "wx1:o-1"), ("member_card", "M00000001")
    before = Seen("e0", 0, (device,))
    apart = publish([before, Seen("e1", 0, (phone,)), Seen("e2", 0, (openid, card))])
    assert apart.count_persons == 3
    linked = [
        Seen("e3", 1, (device, phone)),
        Seen("e4", 1, (phone, openid)),
        Seen("e5", 1, (openid, card)),
        Seen("e6", 1, (device, openid)),
        Seen("e7", 1, (device, card)),
        Seen("e8", 1, (phone, card)),
    ]
    together = publish([before, *linked], day=1)
    assert (together.count_persons, together.merged, together.created) == (1, 2, 0)
    with lake.reader() as session:
        ((who, held),) = persons(session).items()
        assert held == {device, phone, openid, card}
        assert who == one_id(before.received_at, "app_events", "e0", "field[0]")
        assert "e0" in timeline(session, who)["event_id"].to_pylist()
    with lake.reader(as_of=DAY) as session:
        assert len(persons(session)) == 3


Rows = list[tuple[Any, ...]]


def named(memory: MemoryDraft) -> dict[object, tuple[str, str]]:
    rows = memory.session.rows("SELECT identifier_key, type, value FROM identifiers")
    return {row[0]: (str(row[1]), str(row[2])) for row in rows}


def hold_against(memory: MemoryDraft, expected: Resolved) -> None:
    """Every table of identity says what the oracle says."""
    session, names = memory.session, named(memory)
    screened = session.rows("SELECT reason, identifier_key FROM screened")
    assert {names[k] for reason, k in screened if reason == "blocked"} == expected.blocked
    assert {names[k] for reason, k in screened if reason == "hub"} == expected.hubs
    stays = {
        (names[k], tenure): (start or FIRST, end or LAST, kind)
        for k, tenure, start, end, kind in session.rows(
            "SELECT identifier_key, tenure, valid_from, valid_to, kind FROM tenures "
            "WHERE kind NOT IN ('blocked', 'hub')"
        )
    }
    for (identifier, tenure), (start, end, kind) in stays.items():
        stay = expected.stays[identifier][tenure]
        assert (start, end, kind == "shared") == (stay.start, stay.end, stay.is_shared)
    links = {
        frozenset(((names[a], ta), (names[b], tb))): status
        for a, ta, b, tb, status in session.rows(
            "SELECT identifier_key_a, tenure_a, identifier_key_b, tenure_b, status FROM links"
        )
    }
    assert links == expected.links
    assert persons(session) == expected.persons
    owner = session.rows(
        "SELECT e.event_id, b.one_id FROM events e LEFT JOIN bundle_persons b "
        "ON b.bundle_id = e.bundle_id AND e.business_date >= b.valid_from "
        "AND e.business_date < b.valid_to"
    )
    assert {str(event): one for event, one in owner} == expected.owner


@few
@given(evidence())
def test_every_table_equals_the_slow_oracle(memory: MemoryDraft, seen: list[Seen]) -> None:
    memory.clear()
    run(memory, seen)
    hold_against(memory, resolve_slowly(seen, TIGHT))
    memory.hold_contracts()


@few
@given(evidence())
def test_without_rules_persons_are_connected_components(
    memory: MemoryDraft, seen: list[Seen]
) -> None:
    memory.clear()
    run(memory, seen, TIGHT.without_screen())
    hold_against(memory, resolve_slowly(seen, TIGHT.without_screen()))


@few
@given(evidence(), st.randoms(use_true_random=False))
def test_no_order_of_the_rows_matters(
    memory: MemoryDraft, seen: list[Seen], shuffle: random.Random
) -> None:
    memory.clear()
    run(memory, seen)
    names = (
        "screened", "raw_components", "tenures", "links", "persons", "person_numbers",
        "bundle_persons",
    )  # fmt: skip
    first = {name: memory.session.rows(f"SELECT * FROM {name} ORDER BY ALL") for name in names}
    inputs = ("bundles", "sightings")
    parts = {name: memory.session.table(f"SELECT * FROM {name}") for name in inputs}
    memory.clear()
    write(memory.draft, seen)
    for name, rows in parts.items():
        order = list(range(len(rows)))
        shuffle.shuffle(order)
        memory.session.register("shuffled", rows.take(pa.array(order, pa.int64())))
        memory.replace(name, "SELECT * FROM shuffled")
    resolve(memory.draft, TIGHT)
    for name in names:
        assert memory.session.rows(f"SELECT * FROM {name} ORDER BY ALL") == first[name], name


@few
@given(evidence())
def test_day_by_day_gives_the_same_as_one_cut_at_the_end(
    memory: MemoryDraft, seen: list[Seen]
) -> None:
    state = "SELECT identifier_key, tenure, one_id, kind FROM tenures ORDER BY ALL"
    memory.clear()
    run(memory, seen, day=LAST_DAY)
    once = memory.session.rows(state)
    memory.clear()
    for day in DAYS:
        run(memory, received(seen, day), day=day)
    assert memory.session.rows(state) == once


@few
@given(evidence())
def test_a_person_number_is_given_once_and_stays(memory: MemoryDraft, seen: list[Seen]) -> None:
    memory.clear()
    given_before: dict[str, object] = {}
    for day in DAYS:
        run(memory, received(seen, day), day=day)
        rows = memory.session.rows("SELECT one_id, person_no FROM person_numbers ORDER BY 2")
        assert [number for _, number in rows] == list(range(len(rows)))
        numbers = {str(row[0]): row[1] for row in rows}
        assert given_before.items() <= numbers.items()
        given_before = numbers


def test_an_event_without_identifiers_belongs_to_nobody(memory: MemoryDraft) -> None:
    memory.clear()
    run(memory, [Seen("e0", 0, ()), Seen("e1", 0, (("device_id", "0"),))])
    assert persons(memory.session) == {}
    assert memory.session.rows("SELECT * FROM bundle_persons") == []


def test_random_devices_of_a_bot_stay_apart(memory: MemoryDraft, rules: IdentityRules) -> None:
    memory.clear()
    run(memory, [Seen(f"e{n}", 0, (("device_id", f"d{n}"),)) for n in range(200)], rules)
    assert memory.session.rows("SELECT count(*), max(count_identifiers) FROM persons") == [(200, 1)]


def test_an_undeclared_type_is_refused_with_its_name(memory: MemoryDraft) -> None:
    memory.clear()
    seen = [Seen("e0", 0, (("fax", "1"), ("phone", "2")))]
    with pytest.raises(ConfigError, match=r"identifier type 'fax' has no rules[\s\S]*user_id"):
        run(memory, seen)
    run(memory, seen, NO_RULES)
    assert list(persons(memory.session).values()) == [{("fax", "1"), ("phone", "2")}]


def test_nothing_of_a_resolution_stays_in_the_session(memory: MemoryDraft) -> None:
    memory.clear()
    run(memory, [Seen("e0", 0, (("phone", "2"),))])
    tables = memory.session.rows("SELECT table_name FROM duckdb_tables()")
    assert [name for (name,) in tables if str(name).startswith("work")] == []


def test_a_link_names_its_first_receipt_and_its_class(memory: MemoryDraft) -> None:
    memory.clear()
    pair = (("user_id", "a"), ("phone", "7"))
    run(
        memory,
        [
            Seen("e2", 0, pair, 2, "app"),
            Seen("e1", 0, pair, 2, "app"),
            Seen("e0", 0, pair, 3, "app"),
            Seen("f0", 1, (*pair, ("device_id", "x")), 2, "web"),
        ],
    )
    found = memory.session.rows("SELECT source, event_id, evidence FROM links ORDER BY ALL")
    assert found == [("app", "e1", "verified"), ("web", "f0", "seen together")]
