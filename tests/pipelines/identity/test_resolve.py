from __future__ import annotations

import random
from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lake.store import Lake
from pipelines.identity import resolve, timeline
from pipelines.identity.name import one_id
from schemas.errors import ConfigError
from schemas.identity_rules import NO_RULES, Blocked, IdentifierRules, IdentityRules
from tests.oracles.identity_oracle import resolve_slowly
from tests.pipelines.identity.conftest import Publish
from tests.pipelines.identity.seen import DAY, MemoryDraft, Seen, persons, write

TIGHT = IdentityRules(
    types=(
        IdentifierRules("user_id"),
        IdentifierRules("member_card", at_most={"phone": 2}),
        IdentifierRules("phone", Blocked(values=("9",)), at_most={"member_card": 2, "user_id": 1}),
        IdentifierRules("device_id", at_most={"user_id": 1}),
    ),
    blocked=Blocked(values=("none",), patterns={"zeros": "0+"}),
)
NOBODY = {"9", "00", "None"}
MEMBER = st.one_of(
    st.tuples(st.just("user_id"), st.sampled_from("abc")),
    st.tuples(st.just("member_card"), st.sampled_from("123456")),
    st.tuples(st.just("phone"), st.sampled_from("56789")),
    st.tuples(st.just("device_id"), st.sampled_from(["x", "y", "z", "00", "None"])),
)


# One resolution costs far more than one event, so that an example holds many small worlds.
WORLDS = 12
few = settings(max_examples=4)


@st.composite
def evidence(draw: st.DrawFn) -> list[Seen]:
    """Events of several worlds that share nothing but values that name nobody."""
    return [one for world in range(WORLDS) for one in draw(small_world(str(world)))]


@st.composite
def small_world(draw: st.DrawFn, world: str) -> list[Seen]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        day = draw(st.integers(0, 3))
        members = draw(st.lists(MEMBER, max_size=3, unique=True))
        apart = tuple((type, v if v in NOBODY else world + v) for type, v in members)
        source = draw(st.sampled_from(["app", "erp"]))
        late = draw(st.integers(day, 3))
        found.append(Seen(f"e{world}{number:02}", day, apart, late, source))
    return found


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


@few
@given(evidence())
def test_persons_equal_those_of_the_slow_oracle(memory: MemoryDraft, seen: list[Seen]) -> None:
    memory.clear()
    run(memory, seen)
    expected, blocked, hubs = resolve_slowly(seen, TIGHT)
    assert persons(memory.session) == expected
    screened = memory.session.rows(
        "SELECT s.reason, i.type, i.value FROM screened s JOIN identifiers i USING (identifier_key)"
    )
    assert {row[1:] for row in screened if row[0] == "blocked"} == blocked
    assert {row[1:] for row in screened if row[0] == "hub"} == hubs
    memory.hold_contracts()


@few
@given(evidence(), st.randoms(use_true_random=False))
def test_no_order_of_the_rows_matters(
    memory: MemoryDraft, seen: list[Seen], shuffle: random.Random
) -> None:
    memory.clear()
    run(memory, seen)
    names = ("screened", "tenures", "links", "persons", "person_numbers", "bundle_persons")
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
    run(memory, seen, day=3)
    once = memory.session.rows(state)
    memory.clear()
    for day in range(4):
        run(memory, [one for one in seen if (one.received or one.day) <= day], day=day)
    assert memory.session.rows(state) == once


@few
@given(evidence())
def test_a_person_number_is_given_once_and_stays(memory: MemoryDraft, seen: list[Seen]) -> None:
    memory.clear()
    given_before: dict[str, object] = {}
    for day in range(4):
        run(memory, [one for one in seen if (one.received or one.day) <= day], day=day)
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


def test_random_devices_of_a_bot_stay_apart(memory: MemoryDraft) -> None:
    memory.clear()
    run(memory, [Seen(f"e{n}", 0, (("device_id", f"d{n}"),)) for n in range(200)])
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


def test_evidence_of_a_link_is_counted_over_all_sources_and_days(memory: MemoryDraft) -> None:
    memory.clear()
    pair = (("user_id", "a"), ("device_id", "x"))
    run(
        memory,
        [
            Seen("e2", 0, pair, 2, "app"),
            Seen("e1", 0, pair, 2, "app"),
            Seen("e0", 0, pair, 3, "app"),
            Seen("f0", 1, (*pair, ("phone", "5")), 2, "erp"),
        ],
    )
    ((first, last, days, events, source, event),) = memory.session.rows(
        "SELECT first_on, last_on, count_days, count_events, source, event_id "
        "FROM links WHERE count_events > 1"
    )
    assert (first, last, days, events) == (DAY, DAY + timedelta(days=1), 2, 4)
    assert (source, event) == ("app", "e1")
