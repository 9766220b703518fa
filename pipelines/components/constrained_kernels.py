"""The compiled loops of ``constrained``; importing this loads numba."""

from __future__ import annotations

from typing import Any

import numpy as np

from pipelines.components.kernels import root
from pipelines.components.machine import compiled


@compiled
def depth(
    members: Any, count: int, value: Any, first: Any, last: Any, tolerance: int
) -> tuple[int, int]:
    """Most values that conflict pairwise among members[:count], and one of these nodes."""
    best, node = 0, -1
    for i in range(count):
        at = first[members[i]]
        if last[members[i]] - tolerance < at:
            continue
        found = 0
        for j in range(count):
            other = members[j]
            if first[other] > at or last[other] - tolerance < at:
                continue
            seen = False
            for k in range(j):
                earlier = members[k]
                if (
                    value[earlier] == value[other]
                    and first[earlier] <= at
                    and last[earlier] - tolerance >= at
                ):
                    seen = True
                    break
            if not seen:
                found += 1
        if found > best:
            best, node = found, members[i]
    return best, node


@compiled
def broken_groups(
    count: int,
    order: Any,
    group: Any,
    kind: Any,
    value: Any,
    first: Any,
    last: Any,
    verified: Any,
    l_kind: Any,
    l_most: Any,
    l_tolerance: Any,
    l_unless: Any,
) -> Any:
    """Per group, whether its nodes together would break a limit; ``order`` is sorted by group."""
    broken = np.zeros(count, np.bool_)
    members = np.empty(len(order), np.int64)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and group[order[end]] == group[order[start]]:
            end += 1
        for limit in range(len(l_kind)):
            size = 0
            free = 0
            for i in range(start, end):
                if kind[order[i]] == l_kind[limit]:
                    members[size] = order[i]
                    size += 1
                    free += verified[order[i]]
            if size <= l_most[limit]:
                continue
            if l_unless[limit] and free == size:
                continue
            found, _ = depth(members, size, value, first, last, l_tolerance[limit])
            if found > l_most[limit]:
                broken[group[order[start]]] = True
                break
        start = end
    return broken


@compiled
def collect(
    into: Any,
    start: int,
    root: int,
    head: Any,
    after: Any,
    kind: Any,
    wanted: int,
    verified: Any,
    only_unverified: bool,
) -> int:
    """Write the nodes of one kind in a cluster from ``start`` on; gives the end."""
    node = head[root]
    while node >= 0:
        if kind[node] == wanted and not (only_unverified and verified[node]):
            into[start] = node
            start += 1
        node = after[node]
    return start


@compiled
def stands_against(
    x: int,
    y: int,
    head: Any,
    after: Any,
    kind: Any,
    value: Any,
    first: Any,
    last: Any,
    verified: Any,
    into: Any,
    l_kind: Any,
    l_most: Any,
    l_tolerance: Any,
    l_unless: Any,
) -> tuple[int, int]:
    """The first limit that clusters x and y would break together, and a node at fault."""
    for limit in range(len(l_kind)):
        most, tolerance = l_most[limit], l_tolerance[limit]
        unless = l_unless[limit] and most > 1
        middle = collect(into, 0, x, head, after, kind, l_kind[limit], verified, unless)
        end = collect(into, middle, y, head, after, kind, l_kind[limit], verified, unless)
        if middle == 0 or end == middle:
            continue
        if most > 1:
            here, _ = depth(into, middle, value, first, last, tolerance)
            there, _ = depth(into[middle:], end - middle, value, first, last, tolerance)
            both, node = depth(into, end, value, first, last, tolerance)
            if both > max(most, here, there):
                return limit, node
            continue
        for i in range(middle):
            for j in range(middle, end):
                one, other = into[i], into[j]
                if value[one] == value[other]:
                    continue
                if l_unless[limit] and verified[one] and verified[other]:
                    continue
                if min(last[one], last[other]) - max(first[one], first[other]) >= tolerance:
                    return limit, one
    return -1, -1


@compiled
def unite(x: int, y: int, parent: Any, ends: Any, head: Any, tail: Any, after: Any) -> None:
    """Put the cluster of root y into that of root x, its limited nodes behind those there."""
    parent[y] = x
    ends[x] += ends[y]
    if head[y] >= 0:
        if head[x] >= 0:
            after[tail[x]] = head[y]
        else:
            head[x] = head[y]
        tail[x] = tail[y]


@compiled
def settle(
    kind: Any,
    value: Any,
    first: Any,
    last: Any,
    verified: Any,
    a: Any,
    b: Any,
    waives: Any,
    l_kind: Any,
    l_most: Any,
    l_tolerance: Any,
    l_unless: Any,
    apart_a: Any,
    apart_b: Any,
) -> Any:
    """Labels, and per edge the limit at stake, the node at fault, and whether it is taken."""
    count = len(kind)
    parent = np.arange(count)
    head = np.where(kind >= 0, np.arange(count), -1)
    tail = head.copy()
    after = np.full(count, -1)
    into = np.empty(count, np.int64)
    broken = np.full(len(a), -1)
    blocker = np.full(len(a), -1)
    accepted = np.ones(len(a), np.bool_)
    # Most clusters hold nothing that must stay apart from anything.
    ends = np.zeros(count, np.int64)
    for j in range(len(apart_a)):
        ends[apart_a[j]] += 1
        ends[apart_b[j]] += 1
    for i in range(len(a)):
        x, y = root(parent, a[i]), root(parent, b[i])
        if x == y:
            continue
        for j in range(len(apart_a) if ends[x] and ends[y] else 0):
            p, q = root(parent, apart_a[j]), root(parent, apart_b[j])
            if (p == x and q == y) or (p == y and q == x):
                broken[i], accepted[i] = len(l_kind) + j, False
                blocker[i] = apart_a[j]
                break
        if not accepted[i]:
            continue
        limit, node = stands_against(
            x,
            y,
            head,
            after,
            kind,
            value,
            first,
            last,
            verified,
            into,
            l_kind,
            l_most,
            l_tolerance,
            l_unless,
        )
        broken[i], blocker[i] = limit, node
        if limit >= 0 and not waives[i]:
            accepted[i] = False
            continue
        unite(min(x, y), max(x, y), parent, ends, head, tail, after)
    for node in range(count):
        parent[node] = root(parent, node)
    return parent, broken, blocker, accepted
