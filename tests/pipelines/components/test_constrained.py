"""The constrained union against one that tries every set of nodes."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.components.constrained import Bounds, Nodes, broken_groups, settle

COUNT = 9
Edge = tuple[int, int, bool]
Limit = tuple[int, int, int, bool]


@st.composite
def nodes(draw: st.DrawFn) -> Nodes:
    firsts = draw(st.lists(st.integers(0, 9), min_size=COUNT, max_size=COUNT))
    lengths = draw(st.lists(st.integers(0, 6), min_size=COUNT, max_size=COUNT))
    return Nodes(
        np.array(draw(st.lists(st.integers(-1, 1), min_size=COUNT, max_size=COUNT)), np.int64),
        np.array(draw(st.lists(st.integers(0, 6), min_size=COUNT, max_size=COUNT)), np.int64),
        np.array(firsts, np.int64),
        np.array([f + n for f, n in zip(firsts, lengths, strict=True)], np.int64),
        np.array(draw(st.lists(st.booleans(), min_size=COUNT, max_size=COUNT)), np.bool_),
    )


NODE = st.integers(0, COUNT - 1)
EDGES = st.lists(st.tuples(NODE, NODE, st.just(False)), max_size=14)
LIMITS = st.lists(
    st.tuples(
        st.integers(0, 1), st.integers(1, 3), st.sampled_from([-100, -2, 0, 2]), st.booleans()
    ),
    max_size=3,
)
APART = st.lists(st.tuples(NODE, NODE).filter(lambda pair: pair[0] != pair[1]), max_size=2)


def bounds(limits: list[Limit]) -> Bounds:
    kinds, most, tolerance, unless = zip(*limits, strict=True) if limits else ((), (), (), ())
    return Bounds(
        np.array(kinds, np.int64),
        np.array(most, np.int64),
        np.array(tolerance, np.int64),
        np.array(unless, np.bool_),
    )


def breaks(cluster: set[int], of: Nodes, limit: Limit) -> bool:
    """Whether more values than allowed conflict, each with each."""
    kind, most, tolerance, unless = limit
    mine = [
        n for n in cluster
        if of.kind[n] == kind and not (unless and most > 1 and of.verified[n])
    ]  # fmt: skip

    def conflict(a: int, b: int) -> bool:
        if of.value[a] == of.value[b] or (unless and of.verified[a] and of.verified[b]):
            return False
        return bool(min(of.last[a], of.last[b]) - max(of.first[a], of.first[b]) >= tolerance)

    return any(
        all(conflict(a, b) for a, b in combinations(chosen, 2))
        for chosen in combinations(mine, most + 1)
    )


@given(nodes(), EDGES, LIMITS, APART)
def test_edges_are_taken_in_order_unless_they_break_something(
    of: Nodes, edges: list[Edge], limits: list[Limit], apart: list[tuple[int, int]]
) -> None:
    a, b, waives = (np.array(column) for column in zip(*edges, strict=True)) if edges else (
        np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.bool_)
    )  # fmt: skip
    pairs = np.array(apart, np.int64).reshape(-1, 2)
    found = settle(
        of, a, b, waives.astype(np.bool_), bounds(limits), (pairs[:, 0].copy(), pairs[:, 1].copy())
    )
    cluster = {n: {n} for n in range(COUNT)}
    for place, (x, y, _) in enumerate(edges):
        both = cluster[x] | cluster[y]
        splits = cluster[x] is not cluster[y]
        parted = splits and any(p in both and q in both for p, q in apart)
        refused = splits and (parted or any(breaks(both, of, limit) for limit in limits))
        assert found.accepted[place] == (not refused)
        assert (found.broken[place] >= 0) == refused
        if not refused:
            for n in both:
                cluster[n] = both
    assert found.label.tolist() == [min(cluster[n]) for n in range(COUNT)]
    for place, (x, y, _) in enumerate(edges):
        if not found.accepted[place] and found.broken[place] < len(limits):
            both = cluster[x] | cluster[y]
            assert breaks(both, of, limits[found.broken[place]])


@given(nodes(), LIMITS, st.lists(st.integers(0, 2), min_size=COUNT, max_size=COUNT))
def test_a_group_that_breaks_a_limit_is_never_missed(
    of: Nodes, limits: list[Limit], groups: list[int]
) -> None:
    found = broken_groups(of, np.array(groups, np.int64), bounds(limits))
    for group in set(groups):
        members = {n for n, g in enumerate(groups) if g == group}
        if any(breaks(members, of, limit) for limit in limits):
            assert found[group]


def test_an_edge_that_waives_takes_what_it_breaks_and_says_which() -> None:
    two = Nodes(
        np.array([0, 0]), np.array([1, 2]), np.array([1, 1]), np.array([9, 9]),
        np.array([False, False]),
    )  # fmt: skip
    one = bounds([(0, 1, -100, False)])
    none = (np.empty(0, np.int64), np.empty(0, np.int64))
    a, b = np.array([0]), np.array([1])
    for waives in (True, False):
        found = settle(two, a, b, np.array([waives]), one, none)
        assert found.accepted.tolist() == [waives]
        assert found.broken.tolist() == [0]
        assert found.label.tolist() == ([0, 0] if waives else [0, 1])
