"""Limits on persons: their names, and that they break exactly where trying every set says so."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.identity.limits import Limit, limits
from pipelines.identity.verify import breaking
from schemas.identity_rules import IdentifierRules, IdentityRules, PerPerson
from tests.pipelines.identity.proved import RULES, on

Node = tuple[int, int, int, bool]
held = st.lists(
    st.tuples(st.integers(1, 5), st.integers(0, 9), st.integers(0, 6), st.booleans()), max_size=7
)
bounds = st.builds(
    lambda most, tolerance, unless: Limit("phone", most, tolerance, unless, ""),
    st.integers(1, 3),
    st.sampled_from([-100_000_000, -4, 0, 1, 3]),
    st.booleans(),
)


def is_broken(nodes: list[Node], limit: Limit) -> bool:
    """Tries every set of nodes of distinct identifiers for one that conflicts pairwise."""
    if limit.unless_verified and limit.at_most > 1:
        nodes = [node for node in nodes if not node[3]]

    def conflict(a: Node, b: Node) -> bool:
        spared = limit.unless_verified and limit.at_most == 1 and a[3] and b[3]
        apart = min(a[1] + a[2], b[1] + b[2]) - max(a[1], b[1])
        return a[0] != b[0] and apart >= limit.tolerance and not spared

    size = limit.at_most + 1
    return any(
        all(conflict(a, b) for a, b in combinations(chosen, 2))
        for chosen in combinations(nodes, size)
    )


@settings(max_examples=60, deadline=None)
@given(held, held, bounds)
def test_limits_break_where_trying_every_set_of_values_says_so(
    memory: Any, one: list[Node], other: list[Node], limit: Limit
) -> None:
    rows = [
        f"({group}, {key}, DATE '{on(first)}', DATE '{on(first + length)}', {verified})"
        for group, found in enumerate((one, other))
        for key, first, length, verified in found
    ]
    groups = (
        f"SELECT * FROM (VALUES {', '.join([*rows, '(9, 0, NULL, NULL, false)'])}) "
        "AS t(group_no, identifier_key, first_on, last_on, is_verified)"
    )
    broken = {row[0] for row in memory.session.rows(breaking(groups, limit))}
    assert broken == {place for place, it in enumerate((one, other)) if is_broken(it, limit)}


def test_limits_are_named_as_refusals_name_them() -> None:
    assert [(one.name, one.tolerance) for one in limits(RULES)] == [
        ("user_id: at most 1", -100_000_000),
        ("member_card: at most 1 overlapping 3 days", 3),
        ("phone: at most 1 overlapping 3 days", 3),
        ("phone: at most 3", -100_000_000),
    ]
    within = IdentityRules((IdentifierRules("email", per_person=(PerPerson(2, within_days=30),)),))
    (limit,) = limits(within)
    assert (limit.name, limit.tolerance) == ("email: at most 2 within 30 days", -29)
