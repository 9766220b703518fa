"""The proof of what was not contested: counted and joined anew, by other code than made it.

The contested part is proved by ``pipelines.identity.verify``. Here every other person is: that it
is just what the pairs join, by scipy, that it is within every limit whatever the dates, and that
no value in it has two partners where the rules allow one at a time; and that nothing was lost.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipelines.edges.graph import Flags, Graph
from pipelines.edges.texts import Ints
from pipelines.identity.limits import limits, without_dates
from schemas.errors import QualityError
from schemas.identity_rules import IdentityRules


def prove(
    graph: Graph, rules: IdentityRules, plain: Flags, first: npt.NDArray[np.int32], chosen: Ints
) -> None:
    """Try the persons of the identifiers ``plain``, labelled by ``first`` (a number each).

    ``chosen`` are the places of their pairs. QualityError (exit 3) says what does not hold.
    """
    a, b = graph.pairs[chosen] >> 32, graph.pairs[chosen] & 0xFFFFFFFF
    hold((plain[a] & plain[b]).all(), "a pair of one person has both ends in it")
    label = joined(len(graph.keys), a, b)
    hold(is_same_partition(label[plain], first[plain]), "a person is what its pairs join")
    for limit in without_dates(limits(rules)):
        if limit.type in graph.types:
            mine = plain & (graph.kinds == graph.types.index(limit.type))
            most = np.bincount(first[mine]).max(initial=0)
            hold(bool(most <= limit.at_most), f"a person has at most {limit.at_most} {limit.type}")
    for one in rules.types:
        for it in one.exclusive:
            hold(_are_single(graph, one.type, it.of, a, b), f"a {one.type} has one {it.of}")


def prove_counts(graph: Graph, count_rows: int, refused: int) -> None:
    """Rows in are rows taken and rows refused; every pair has its rows."""
    taken = len(graph.rows.pairs)
    hold(taken + refused == count_rows, f"{count_rows:,} rows are {taken:,} and {refused:,}")
    hold(int(graph.starts[-1]) == taken, "each row belongs to a pair")


def joined(count: int, a: Ints, b: Ints) -> npt.NDArray[np.int32]:
    """A label per number, equal where pairs join them."""
    ones = np.ones(len(a), np.int8)
    ends = a.astype(np.int32), b.astype(np.int32)
    _, label = connected_components(coo_array((ones, ends), (count, count)), directed=False)
    return np.asarray(label, np.int32)


def is_same_partition(one: npt.NDArray[np.int32], other: npt.NDArray[np.int32]) -> bool:
    """Whether two labellings put the same things together."""
    if not len(one):
        return True
    # Each label of the one has one label of the other, and there are as many of both.
    partner = np.full(int(one.max()) + 1, -1, np.int32)
    partner[one] = other
    return bool((partner[one] == other).all()) and (
        np.count_nonzero(np.bincount(one)) == np.count_nonzero(np.bincount(other))
    )


def _are_single(graph: Graph, type: str, of: str, a: Ints, b: Ints) -> bool:
    if not {type, of} <= set(graph.types):
        return True
    kind, partner = graph.types.index(type), graph.types.index(of)
    kinds_a, kinds_b = graph.kinds[a], graph.kinds[b]
    met = np.concatenate(
        [
            a[(kinds_a == kind) & (kinds_b == partner)],
            b[(kinds_b == kind) & (kinds_a == partner)],
        ]
    )
    return len(np.unique(met)) == len(met)


def hold(holds: bool, claim: str) -> None:
    """QualityError unless ``holds``."""
    if not holds:
        raise QualityError(
            "the resolution fails its proof; nothing was written",
            expected=claim,
            got="a result of which this is not true",
            todo="keep the edges as they are and report this",
        )
