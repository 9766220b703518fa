"""Constrained union: edges are taken in their order, unless one would break a limit.

The limits are monotone: what breaks one in two clusters breaks it in all that they grow into, so
that a refused edge still breaks its limit at the end. Compiled; the cost of an edge is that of
the limited nodes in the two clusters it would join, which the limits themselves bound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

NONE = -1
"""No limit, no node."""


@dataclass(frozen=True, slots=True)
class Nodes:
    """What limits look at, one row a node: arrays of one length."""

    kind: Ints
    """Code of the type that limits count; -1 for a type without limits."""
    value: Ints
    """Code of what the node is a part of: two nodes of one value count once."""
    first: Ints
    """First day."""
    last: Ints
    """Last day."""
    verified: Flags
    """Whether limits with ``unless_verified`` leave it out against others that are."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits, one row each: of the ``kind`` at most ``at_most`` that conflict pairwise.

    Two nodes conflict where min(last) - max(first) >= ``tolerance``.
    """

    kind: Ints
    at_most: Ints
    tolerance: Ints
    unless_verified: Flags


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of nodes and edges."""

    label: Ints
    """Per node: the least node of its cluster."""
    broken: Ints
    """Per edge: the limit it would break (refused) or broke (waived); ``len(limits) + i`` for the
    pair ``i`` that must stay apart; -1 for none."""
    blocker: Ints
    """Per edge: a node that stands against it; -1 for none."""
    accepted: Flags
    """Per edge."""


def settle(
    nodes: Nodes, a: Ints, b: Ints, waives: Flags, bounds: Bounds, apart: tuple[Ints, Ints]
) -> Settled:
    """Take the edges (a[i], b[i]) in order; one that ``waives`` obeys only ``apart``.

    ``apart`` holds pairs of nodes that may never be together.
    """
    from pipelines.components import constrained_kernels as kernels

    return Settled(
        *kernels.settle(
            nodes.kind, nodes.value, nodes.first, nodes.last, nodes.verified, a, b, waives,
            bounds.kind, bounds.at_most, bounds.tolerance, bounds.unless_verified, *apart,
        )
    )  # fmt: skip


def broken_groups(nodes: Nodes, group: Ints, bounds: Bounds) -> Flags:
    """For each group 0 … max: whether its nodes, all together, would break a limit."""
    count = int(group.max()) + 1 if len(group) else 0
    order = np.argsort(group, kind="stable")
    order = order[nodes.kind[order] >= 0]
    from pipelines.components import constrained_kernels as kernels

    return np.asarray(
        kernels.broken_groups(
            count, order, group, nodes.kind, nodes.value, nodes.first, nodes.last, nodes.verified,
            bounds.kind, bounds.at_most, bounds.tolerance, bounds.unless_verified,
        ),
        np.bool_,
    )  # fmt: skip
