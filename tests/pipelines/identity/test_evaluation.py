from __future__ import annotations

from datetime import UTC, datetime
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.identity import Evaluation, Score, Truth, evaluate, resolve
from pipelines.identity.evaluation import count_pairs
from schemas.identity_rules import IdentityRules
from tests.pipelines.identity.seen import MemoryDraft, Seen, write

STAMP = pa.timestamp("us", tz="UTC")
IDENTIFIERS = pa.schema(
    [
        ("type", pa.string()), ("value", pa.string()), ("person_id", pa.string()),
        ("valid_from", STAMP), ("valid_to", STAMP), ("is_shared", pa.bool_()),
    ]
)  # fmt: skip
EVENTS = pa.schema(
    [
        ("source", pa.string()), ("event_id", pa.string()), ("person_id", pa.string()),
        ("is_attributable", pa.bool_()), ("marks", pa.list_(pa.string())),
    ]
)  # fmt: skip
TRAPS = pa.schema(
    [
        ("trap", pa.string()), ("person_ids", pa.list_(pa.string())),
        ("identifiers", pa.list_(pa.string())), ("decidable", pa.bool_()),
    ]
)  # fmt: skip
NO_TRUTH = Truth(IDENTIFIERS.empty_table(), EVENTS.empty_table(), TRAPS.empty_table())


def evaluation(
    memory: MemoryDraft,
    rules: IdentityRules,
    seen: list[tuple[Seen, str]],
    held: list[tuple[Any, ...]],
    traps: list[tuple[Any, ...]] | None = None,
    marks: dict[str, list[str]] | None = None,
) -> Evaluation:
    """What is measured of ``seen``, events with their persons, whose identifiers are ``held``."""
    memory.clear()
    write(memory.draft, [one for one, _ in seen])
    resolve(memory.draft, rules)
    identifiers = [dict(zip(IDENTIFIERS.names, row, strict=True)) for row in held]
    events = [
        {
            "source": s.source, "event_id": s.event_id, "person_id": p, "is_attributable": True,
            "marks": (marks or {}).get(s.event_id),
        }  # fmt: skip
        for s, p in seen
    ]
    laid = [dict(zip(TRAPS.names, row, strict=True)) for row in traps or ()]
    truth = Truth(
        pa.Table.from_pylist(identifiers, schema=IDENTIFIERS),
        pa.Table.from_pylist(events, schema=EVENTS),
        pa.Table.from_pylist(laid, schema=TRAPS),
    )
    return evaluate(memory.session, rules, truth)


def scores(*arguments: Any) -> dict[str, Score]:
    return {score.method: score for score in evaluation(*arguments).methods}


def stay(type: str, value: str, person: str, since: int = 0, until: int = 0) -> tuple[Any, ...]:
    start = datetime(2017, since, 1, tzinfo=UTC) if since else None
    end = datetime(2017, until, 1, tzinfo=UTC) if until else None
    return (type, value, person, start, end, False)


def test_a_store_tablet_ruins_plain_components_only(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    people = [f"P{n}" for n in range(6)]
    seen, held = [], []
    for who in people:
        user, phone = ("user_id", f"u{who}"), ("phone", f"+86{who}")
        seen += [(Seen(f"a{who}", 0, (user, phone)), who)]
        seen += [(Seen(f"t{who}", 0, (user, ("device_id", "tablet"))), who)]
        held += [stay(*user, who), stay(*phone, who)]
    found = scores(memory, rules, seen, held)
    best, plain = found["published"], found["plain components"]
    assert (best.precision, best.recall, best.attribution) == (1, 1, 1)
    assert (best.count_persons, best.largest_person) == (6, 2)
    assert (plain.count_pairs_found, plain.count_pairs_true, plain.recall) == (66, 6, 1)
    assert (plain.precision, plain.attribution) == (round(6 / 66, 6), round(2 / 12, 6))
    assert (plain.count_persons, plain.largest_person) == (1, 13)
    assert found["hubs only"].precision == found["limits without tenures"].precision == 1


def test_hubs_alone_mend_placeholders(memory: MemoryDraft, rules: IdentityRules) -> None:
    nobody = ("device_id", "undefined")
    seen = [(Seen(f"e{n}", 0, (("user_id", f"u{n}"), nobody)), f"P{n}") for n in range(3)]
    found = scores(memory, rules, seen, [stay("user_id", f"u{n}", f"P{n}") for n in range(3)])
    assert found["plain components"].precision == 0
    assert found["hubs only"].count_pairs_found == 0
    assert found["hubs only"].precision is None


def test_holders_one_after_the_other_are_wrong_only_beside_what_was_valid_then(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    phone = ("phone", "+861")
    seen = [
        (Seen("a", 0, (phone, ("user_id", "ann"))), "A"),
        (Seen("b", 300, (phone, ("member_card", "M"))), "B"),
    ]
    held = [
        stay(*phone, "A", 0, 5),
        stay(*phone, "B", 8, 0),
        stay("user_id", "ann", "A"),
        stay("member_card", "M", "B"),
    ]
    score = scores(memory, rules, seen, held)["published"]
    # Right: phone of A + ann, phone of B + M. Wrong: phone of A + M, phone of B + ann, ann + M.
    assert (score.count_pairs_true, score.count_pairs_right, score.count_pairs_found) == (2, 2, 5)
    assert (score.precision, score.recall, score.attribution) == (0.4, 1, 0.5)


def test_shared_and_unseen_identifiers_stand_outside(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    card = ("member_card", "M")
    seen = [(Seen("a", 0, (("phone", "+861"), card)), "A"), (Seen("b", 0, (card,)), "B")]
    held = [(*card, who, None, None, True) for who in "AB"]
    held += [stay("phone", "+861", "A"), stay("email", "a@b.c", "A")]
    assert scores(memory, rules, seen, held)["published"].count_pairs_true == 0


def test_what_only_a_stranger_joins_counts_neither_way(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    phone, card, device = ("phone", "+861"), ("member_card", "M"), ("device_id", "d")
    seen = [
        (Seen("a", 0, (phone,)), "A"),
        (Seen("b", 0, (card,)), "A"),
        (Seen("c", 0, (phone, card, device)), "B"),
    ]
    held = [stay(*phone, "A"), stay(*card, "A"), stay(*device, "B")]
    score = scores(memory, rules, seen, held)["published"]
    assert (score.count_pairs_true, score.count_pairs_found, score.precision) == (0, 2, 0)


LENT = ("phone", "+861")


def joined(memory: MemoryDraft, rules: IdentityRules, traps: list[Any], third: bool) -> Score:
    """A card of A and an e-mail of B (and a device of C) with one phone, which is A's."""
    card, email, device = ("member_card", "M"), ("email", "b@c.d"), ("device_id", "d")
    seen = [
        (Seen("a", 0, (LENT, card)), "A"),
        (Seen("b", 0, (email,)), "B"),
        (Seen("c", 1, (LENT, email)), "A"),
    ]
    held = [stay(*LENT, "A"), stay(*card, "A"), stay(*email, "B")]
    if third:
        seen += [(Seen("d", 0, (device,)), "C"), (Seen("e", 1, (LENT, device)), "A")]
        held += [stay(*device, "C")]
    return scores(memory, rules, seen, held, traps)["published"]


def trap(decidable: bool) -> tuple[Any, ...]:
    return ("foreign_phone_in_chat", ["B", "A"], [LENT[1]], decidable)


def test_two_persons_whom_nobody_can_tell_apart_are_excused(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    score = joined(memory, rules, [trap(decidable=False)], third=False)
    assert (score.precision, score.precision_all) == (1, round(1 / 3, 6))
    assert (score.attribution, score.attribution_all) == (1, round(2 / 3, 6))
    assert (score.recall, score.count_pairs_found) == (1, 1)


def test_nothing_is_excused_over_three_persons_or_where_an_instance_is_decidable(
    memory: MemoryDraft, rules: IdentityRules
) -> None:
    over = joined(memory, rules, [trap(decidable=False)], third=True)
    assert over.precision == over.precision_all == round(1 / 6, 6)
    known = joined(memory, rules, [trap(decidable=False), trap(decidable=True)], third=False)
    assert known.precision == known.precision_all == round(1 / 3, 6)
    assert known.attribution == known.attribution_all == round(2 / 3, 6)


def test_blank_device_ids_are_counted_by_event(memory: MemoryDraft, rules: IdentityRules) -> None:
    user = ("user_id", "u")
    seen = [(Seen("a", 0, (user, ("device_id", "undefined"))), "A"),
            (Seen("b", 0, (user, ("device_id", "-"))), "A")]  # fmt: skip
    marks = {"a": ["nullish_anonymous_id", "late"], "b": ["nullish_anonymous_id"]}
    (score,) = evaluation(memory, rules, seen, [stay(*user, "A")], marks=marks).traps
    assert (score.trap, score.bar) == ("nullish_anonymous_id", 1.0)
    assert (score.count_decidable, score.count_right) == (2, 1)


ELEMENTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(1, 4)), max_size=20
)


@given(ELEMENTS)
def test_pairs_are_counted_without_making_them(elements: list[tuple[int, int, int]]) -> None:
    group, start, size = np.array(elements or np.empty((0, 3)), np.int64).T
    slow = sum(
        a[0] == b[0] and a[1] < b[1] + b[2] and b[1] < a[1] + a[2]
        for a, b in combinations(elements, 2)
    )
    assert count_pairs(group, start, start + size) == slow
