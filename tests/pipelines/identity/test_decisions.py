"""Decisions in force are a function of the set of decisions, and never contradict one another."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from pipelines.identity.decisions import Entry, contradicted, in_force, standing
from tests.tiny import append, tiny_draft

BEGIN = datetime(2017, 3, 1, tzinfo=UTC)


def entry(no: int, kind: str, a: int | None, b: int | None = None, revokes: str = "") -> Entry:
    """A decision received at hour ``no`` of the tests."""
    return Entry(BEGIN + timedelta(hours=no), f"d{no}", kind, a, b, revokes or None)


def ids(entries: Sequence[Entry]) -> list[str]:
    return [one.decision_id for one in entries]


@st.composite
def sets_of_decisions(draw: st.DrawFn) -> list[Entry]:
    """Up to 14 decisions about six identifiers, contradictory as they come."""
    made = []
    for no in range(draw(st.integers(0, 14))):
        kind = draw(st.sampled_from(["link", "link", "unlink", "unlink", "block", "revoke"]))
        a, b = draw(st.permutations(range(6)))[:2]
        if kind == "revoke":
            made.append(entry(no, kind, None, revokes=f"d{draw(st.integers(0, 14))}"))
        else:
            made.append(entry(no, kind, a, None if kind == "block" else b))
    return made


@pytest.mark.rule("CDP-4")
@given(sets_of_decisions(), st.randoms(use_true_random=False))
def test_any_order_of_decisions_gives_the_same_in_force(made: list[Entry], random: object) -> None:
    shuffled = list(made)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert standing(shuffled) == standing(made)


@given(sets_of_decisions())
def test_decisions_in_force_never_contradict_one_another(made: list[Entry]) -> None:
    found = standing(made)
    graph = nx.Graph()
    graph.add_nodes_from(range(6))
    graph.add_edges_from((one.a, one.b) for one in found if one.kind == "link")
    for one in found:
        if one.kind == "unlink":
            assert not nx.has_path(graph, one.a, one.b)
        if one.kind == "block":
            assert graph.degree[one.a] == 0


@given(sets_of_decisions())
def test_a_decision_is_set_aside_only_where_it_repeats_or_contradicts(made: list[Entry]) -> None:
    for count in range(1, len(made) + 1):
        before, new = standing(made[: count - 1]), made[count - 1]
        if new.kind == "revoke" or any(one.revokes == new.decision_id for one in made[:count]):
            continue
        is_repeated = new.says in [one.says for one in before]
        is_taken = new in standing(made[:count])
        assert is_taken == (not is_repeated and not contradicted(before, new))


@pytest.mark.rule("CDP-4")
@given(sets_of_decisions(), st.integers(0, 14))
def test_revoking_gives_what_would_be_had_it_never_been(made: list[Entry], no: int) -> None:
    assume(all(one.kind != "revoke" for one in made if one.decision_id == f"d{no}"))
    without = [one for one in made if one.decision_id != f"d{no}"]
    assert standing([*made, entry(20, "revoke", None, revokes=f"d{no}")]) == standing(without)


def test_of_contradictory_decisions_the_first_received_stands() -> None:
    assert ids(standing([entry(2, "link", 1, 2), entry(1, "unlink", 2, 1)])) == ["d1"]
    same = [entry(1, "link", 1, 2)._replace(decision_id=id) for id in ("b", "a")]
    assert ids(standing(same)) == ["a"], "at one time, the smaller id"


def test_an_unlink_across_a_chain_names_the_whole_chain() -> None:
    chain = [entry(no, "link", no, no + 1) for no in range(3)]
    assert ids(contradicted(standing(chain), entry(9, "unlink", 3, 0))) == ["d2", "d1", "d0"]


def test_a_link_that_would_join_what_is_kept_apart_names_the_unlink_and_the_chains() -> None:
    made = [entry(0, "link", 1, 2), entry(1, "link", 3, 4), entry(2, "unlink", 1, 4)]
    found = contradicted(standing(made), entry(9, "link", 2, 3))
    assert ids(found) == ["d2", "d0", "d1"]


def test_the_work_table_holds_what_is_in_force(tmp_path: Path) -> None:
    made = [
        entry(0, "link", 1, 2), entry(1, "block", 3), entry(2, "unlink", 4, 5),
        entry(3, "block", 6), entry(4, "revoke", None, revokes="d3"), entry(5, "unlink", 1, 2),
    ]
    with tiny_draft(tmp_path) as draft:
        in_force(draft.session)
        assert draft.session.rows("SELECT count(*) FROM work_decisions") == [(0,)]
        rows = [
            {
                "identifier_key_a": one.a, "identifier_key_b": one.b, "reason": "r", "author": "a",
                "decided_at": BEGIN, "file": "f",
                **{name: getattr(one, name) for name in ("decision_id", "kind", "revokes")},
                "received_at": one.received_at,
            }
            for one in made
        ]
        append(draft, "identity_decisions", rows)
        in_force(draft.session)
        assert draft.session.rows("SELECT * FROM work_decisions ORDER BY 1") == [
            ("d0", "link", 1, 2), ("d1", "block", 3, None), ("d2", "unlink", 4, 5),
        ]


def test_thousands_of_decisions_that_all_meet_are_weighed_quickly() -> None:
    count = 20_000
    made = [entry(no, "unlink", no, -1 - no) for no in range(0, count, 2)]
    made += [entry(no, "link", no - 1, no + 1) for no in range(1, count, 2)]
    assert len(standing(made)) == count
