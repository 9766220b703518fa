from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from lake.engines.duckdb import Session
from pipelines.identity import traps
from pipelines.identity.evidence import keep, working
from pipelines.identity.traps import TrapScore
from tests.pipelines.identity.seen import MemoryDraft

Stay = tuple[int, str, str | None, int]
Tenure = tuple[int, str, str | None]


@pytest.fixture
def session(memory: MemoryDraft) -> Iterator[Session]:
    memory.clear()
    with working(memory.session):
        yield memory.session


def judge(
    session: Session,
    trap: str,
    persons: str,
    keys: list[int],
    stays: list[Stay],
    tenures: list[Tenure],
    decidable: bool = True,
) -> TrapScore:
    """The score of one instance over identifiers ``keys``.

    A stay is (identifier, person, one_id, chain), a tenure (identifier, kind, one_id).
    """
    kind = traps.RULES[trap].type
    instance = {"instance_no": [0], "trap": [trap], "decidable": [decidable]}
    keep(session, "work_truth_instances", pa.table({**instance, "person_ids": [list(persons)]}))
    named = {"instance_no": [0] * len(keys), "place": list(range(len(keys)))}
    named |= {"type": [kind] * len(keys), "identifier_key": keys}
    keep(session, "work_truth_named", pa.table(named))
    events = {"bundle_id": pa.array([], pa.int64()), "is_nullish": pa.array([], pa.bool_())}
    keep(session, "work_truth_events", pa.table({**events, "count_events": events["bundle_id"]}))
    found = {"stay_no": range(len(stays))} | _columns(
        stays, ("identifier_key", "person_id", "one_id")
    )
    keep(session, "work_found_stays", pa.table(found))
    rows = pa.table(_columns(tenures, ("identifier_key", "kind", "one_id")))
    session.register("hand_made", rows)
    session.execute("CREATE OR REPLACE TEMP TABLE tenures AS SELECT * FROM hand_made")
    session.con.unregister("hand_made")
    (score,) = traps.score(session, np.array([one[3] for one in stays], np.int64))
    return score


def _columns(rows: list[Stay] | list[Tenure], names: tuple[str, ...]) -> dict[str, list[object]]:
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


APART: list[Stay] = [(1, "A", "one", 0), (2, "B", "two", 1)]
MERGED: list[Stay] = [(1, "A", "one", 0), (2, "B", "one", 1)]
PASSED_ON: list[Stay] = [(1, "A", "one", 0), (2, "B", "two", 1), (9, "A", "one", 0),
                         (9, "B", "two", 1)]  # fmt: skip


@pytest.mark.parametrize(
    ("trap", "stays", "tenures", "right"),
    [
        ("shared_card", APART, [(9, "shared", None)], 1),
        ("family_tablet", APART, [(9, "hub", None)], 1),
        ("shared_card", APART, [(9, "sole", "one")], 0),
        ("shared_card", MERGED, [(9, "shared", None)], 0),
        ("recycled_phone", PASSED_ON, [(9, "handover", "one"), (9, "handover", "two")], 1),
        ("sold_device", PASSED_ON[:3], [(9, "sole", "one")], 0),
        ("sold_device", [*PASSED_ON[:3], (9, "B", "else", 1)], [(9, "handover", "one")], 0),
        ("friend_login", APART, [], 1),
        ("spouse_phone", MERGED, [], 0),
        ("small_placeholder", [*APART, (3, "C", "one", 2)], [], 0),
        ("placeholder_phone", APART, [(9, "hub", None)], 1),
        ("store_tablet", APART, [(9, "shared", None)], 0),
    ],
)
def test_persons_of_a_trap_stay_apart_in_the_way_that_it_asks(
    session: Session, trap: str, stays: list[Stay], tenures: list[Tenure], right: int
) -> None:
    persons = "ABC" if trap == "small_placeholder" else "AB"
    score = judge(session, trap, persons, [9], stays, tenures)
    assert (score.count_decidable, score.count_right) == (1, right)


@pytest.mark.parametrize(
    ("trap", "stays", "tenures", "right"),
    [
        ("new_phone", [], [(1, "sole", "one"), (2, "sole", "one")], 1),
        ("second_phone", [], [(1, "sole", "one"), (2, "sole", "two")], 0),
        ("new_device", [], [(1, "sole", "one"), (2, "shared", None)], 0),
        ("reinstalled", [(1, "A", "one", 0), (2, "A", "two", 1)], [], 1),
        ("reinstalled", [(1, "A", "one", 0), (2, "A", "one", 1)], [], 0),
        ("mistyped_phone", [(1, "A", "one", 0), (3, "A", "one", 0)], [(2, "sole", "two")], 1),
        ("mistyped_phone", [(1, "A", "two", 0), (3, "A", "one", 0)], [(2, "sole", "two")], 0),
        ("mistyped_phone", [(1, "A", "one", 0), (3, "B", "two", 1)], [(2, "sole", "two")], 0),
        ("bot", [], [(1, "sole", "one"), (2, "sole", "two")], 1),
        ("bot", [], [(1, "sole", "one"), (2, "sole", "two"), (3, "sole", "two")], 0),
    ],
)
def test_values_of_one_person_are_joined_or_left_as_the_trap_asks(
    session: Session, trap: str, stays: list[Stay], tenures: list[Tenure], right: int
) -> None:
    score = judge(session, trap, "A", [1, 2], stays, tenures)
    assert (score.count_decidable, score.count_right) == (1, right)


@pytest.mark.parametrize(("third", "over"), [("two", 0), ("one", 1)])
def test_an_undecidable_instance_is_counted_and_must_not_join_three(
    session: Session, third: str, over: int
) -> None:
    stays: list[Stay] = [*MERGED, (3, "C", third, 2)]
    tenures: list[Tenure] = [(9, "sole", "one")]
    score = judge(session, "spouse_phone", "AB", [9], stays, tenures, decidable=False)
    assert (score.count_decidable, score.count_undecidable, score.share) == (0, 1, None)
    assert score.count_over_two == over


def test_a_trap_whose_identifier_never_came_is_not_handled(session: Session) -> None:
    assert judge(session, "store_tablet", "AB", [], APART, []).share == 0


def test_look_alikes_have_a_bar_of_95_and_what_must_never_fail_of_100() -> None:
    bars = {trap: rule.bar for trap, rule in traps.RULES.items() if rule.bar != 0.9}
    assert bars == {
        "new_phone": 0.95, "new_device": 0.95, "second_phone": 0.95,
        "placeholder_phone": 1.0, "store_tablet": 1.0, "bot": 1.0,
    }  # fmt: skip
