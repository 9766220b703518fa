"""Patterns with absence: the step against a plain oracle over complete histories."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.arriving import Happened
from domain.keyed import Held, Moved
from domain.patterns import Rules, State, elapsed, happened, ready
from schemas.patterns import Beginning, Event, Pattern
from schemas.rules import Rule
from tests.oracles.patterns_oracle import Said, matches

SECOND, HOUR = 1_000_000, 3_600_000_000
START = 1_500_000_000 * SECOND
LATENESS = 40 * SECOND

CART = Pattern(
    name="cart", label="c", begins=Beginning(types=["added"]), after="24 h",
    cancelled=Event(types=["ordered"]),
)
PATTERNS = (
    Pattern(
        name="cart", label="c", begins=Beginning(types=["added"]),
        cancelled=Event(types=["ordered"]), after="30 s", per="cart",
    ),
    Pattern(
        name="viewed", label="v", begins=Beginning(types=["viewed"], times=3, within="20 s"),
        cancelled=Event(types=["ordered"]), after="10 s",
    ),
    Pattern(
        name="silent", label="s", begins=Beginning(types=["opened"], counts_from="last"),
        after="15 s",
    ),
    Pattern(
        name="again", label="a", begins=Beginning(types=["opened", "added"]), after="25 s",
        cancelled=Event(types=["opened"]),
    ),
    Pattern(
        name="dear", label="d", after="5 s", cancelled=Event(types=["ordered", "opened"]),
        begins=Beginning(
            types=["viewed"], where=Rule(field="price", operator=">", value=200), times=2,
            within="9 s", counts_from="last",
        ),
    ),
)


class _Patterns:
    event_type, state_type = Happened, State

    def rules(self, definitions: object) -> Rules:
        return ready({one.name: one for one in PATTERNS})

    def read(self, rules: Rules, source: str, value: bytes, received_at: int) -> Happened:
        return msgspec.json.decode(value, type=Happened)

    def happened(
        self, state: State | None, event: Happened, passed: int, rules: Rules
    ) -> Moved[State]:
        return happened(state, event, passed, rules)

    def passed(self, state: State, key: str, at: int, rules: Rules) -> Moved[State]:
        return elapsed(state, key, at, rules)


def held(patterns: Sequence[Pattern]) -> Held[Happened, State, Rules]:
    return Held(_Patterns(), ready({one.name: one for one in patterns}))


def said(outs: Sequence[object]) -> list[Said]:
    found = [msgspec.json.decode(out.value) for out in outs]  # type: ignore[attr-defined]
    return [
        (one["pattern"], one["key"], one.get("cart", ""), _us(one["began_at"])) for one in found
    ]


def _us(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(
        microseconds=1
    )


def event(kind: str, at: int, **properties: str) -> Happened:
    return Happened("k", kind, START + at, f"{kind}{at}", properties)


Drawn = tuple[str, str, int, str, str, int, int]
Arriving = list[tuple[int, Happened]]

DRAWN = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from(["added", "viewed", "ordered", "opened", "other"]),
        st.integers(0, 240), st.sampled_from(["", "x", "y"]),
        st.sampled_from(["", "200", "200.01", "900", "odd"]),
        st.integers(0, LATENESS // SECOND), st.integers(0, 5),
    ),
    max_size=40,
)


def happenings(drawn: list[Drawn]) -> list[Happened]:
    return [
        Happened(
            key, kind, START + at * SECOND // 2, f"e{number}",
            {name: value for name, value in (("cart", cart), ("price", price)) if value},
        )
        for number, (key, kind, at, cart, price, _, _) in enumerate(drawn)
    ]


def arrivals(drawn: list[Drawn]) -> Arriving:
    """Events with their times of receipt, late within bounds, some of them twice."""
    found = []
    for one, (*_, late, twice) in zip(happenings(drawn), drawn, strict=True):
        found.append((one.at + late * SECOND, one))
        if twice == 0:
            found.append((one.at + LATENESS - late * SECOND, one))
    return sorted(found, key=lambda pair: pair[0])


@pytest.mark.rule("MA-1")
@pytest.mark.rule("MA-3")
@pytest.mark.rule("MA-6")
@given(DRAWN, st.integers(1, 9), st.integers(0, 200))
def test_any_order_within_the_lateness_gives_the_matches_of_the_complete_history(
    drawn: list[Drawn], batch: int, beyond: int
) -> None:
    arriving = arrivals(drawn)
    keys = held(PATTERNS)
    found: list[Said] = []
    for first in range(0, len(arriving), batch):
        part = arriving[first : first + batch]
        found += said(keys.take([one for _, one in part]))
        found += said(keys.advance(part[-1][0] - LATENESS - 1))
    until = START + (120 + beyond) * SECOND
    found += said(keys.advance(until))
    assert len(found) == len(set(found))
    last = max([until, *(at - LATENESS - 1 for at, _ in arriving)])
    assert set(found) == matches(happenings(drawn), PATTERNS, last)


@given(DRAWN)
def test_a_state_that_was_written_down_goes_on_as_if_it_had_not_been(drawn: list[Drawn]) -> None:
    arriving = arrivals(drawn)
    plain, written = held(PATTERNS), held(PATTERNS)
    for received, one in arriving:
        expected = plain.take([one]) + plain.advance(received - LATENESS - 1)
        assert written.take([one]) + written.advance(received - LATENESS - 1) == expected
        passed, states, wakes = msgspec.msgpack.decode(
            msgspec.msgpack.encode(written.snapshot()),
            type=tuple[int, dict[str, State], dict[str, int]],
        )
        written = held(PATTERNS)
        written.restore(passed, states, wakes)


@given(DRAWN)
def test_nothing_is_kept_of_who_has_nothing_open(drawn: list[Drawn]) -> None:
    keys = held(PATTERNS)
    keys.take(happenings(drawn))
    keys.advance(START + 1000 * SECOND)
    assert keys.states == {}


@pytest.mark.rule("MA-1")
@pytest.mark.parametrize(
    ("at", "expected"),
    [(24 * HOUR - SECOND, 0), (24 * HOUR, 0), (24 * HOUR + 1, 1), (None, 1), (0, 0)],
)
def test_no_order_within_24_hours_of_the_cart_is_one_match(at: int | None, expected: int) -> None:
    keys = held([CART])
    events = [event("added", 0), event("added", HOUR)]
    outs = keys.take(events + ([event("ordered", at)] if at is not None else []))
    outs += keys.advance(START + 24 * HOUR + HOUR // 2)
    assert len(outs) == expected


@pytest.mark.rule("MA-1")
def test_an_order_that_comes_late_but_before_the_sending_saves_the_cart() -> None:
    keys = held([CART])
    keys.take([event("added", 0)])
    assert keys.advance(START + 24 * HOUR - 1) == []
    keys.take([event("ordered", HOUR)])
    assert keys.advance(START + 30 * HOUR) == []


@pytest.mark.rule("MA-1")
def test_an_order_after_the_deadline_does_not_save_the_cart_however_early_it_is_read() -> None:
    keys = held([CART])
    keys.take([event("added", 0), event("ordered", 25 * HOUR)])
    assert len(keys.advance(START + 24 * HOUR)) == 1


@pytest.mark.rule("MA-3")
def test_every_log_in_starts_sixty_days_of_silence_anew_and_they_end_once() -> None:
    day = 24 * HOUR
    silent = Pattern(
        name="silent", label="s", after="60 d",
        begins=Beginning(types=["identified"], counts_from="last"),
    )
    keys = held([silent])
    keys.take([event("identified", 0)])
    assert keys.advance(START + 50 * day) == []
    keys.take([event("identified", 59 * day)])
    assert keys.advance(START + 118 * day) == []
    assert [one[3] for one in said(keys.advance(START + 119 * day))] == [START + 59 * day]
    assert keys.advance(START + 900 * day) == []


@pytest.mark.rule("MA-6")
@pytest.mark.parametrize(("views", "expected"), [(3, 0), (4, 1), (5, 1)])
def test_the_fourth_view_begins_it(views: int, expected: int) -> None:
    pattern = Pattern(
        name="viewed", label="v", cancelled=Event(types=["ordered"]), after="3 d",
        begins=Beginning(types=["viewed"], times=4, within="1 d"),
    )
    keys = held([pattern])
    keys.take([event("viewed", number * HOUR) for number in range(views)])
    assert len(keys.advance(START + 100 * HOUR)) == expected


def test_a_changed_pattern_begins_anew_and_a_removed_one_is_forgotten() -> None:
    keys = held([CART])
    keys.take([event("added", 0)])
    keys.rules = ready({"cart": msgspec.structs.replace(CART, after="48 h")})
    assert keys.advance(START + 99 * HOUR) == []
    assert keys.states == {}


def test_many_events_of_one_key_do_not_pile_up() -> None:
    keys = held([PATTERNS[2]])
    for number in range(1000):
        keys.take([event("opened", number * SECOND)])
        keys.advance(START + number * SECOND)
    assert len(msgspec.msgpack.encode(keys.states)) < 1000
