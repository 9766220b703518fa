"""The compiled loops of union-find and of the key table; arrays are changed in place."""

from __future__ import annotations

import numpy as np

from pipelines.components.machine import Array, compiled

BLOCK = 256
"""Keys whose slots are fetched together, so that their cache misses overlap."""
HALF, LOW = np.uint64(32), np.uint64(0xFFFFFFFF)


@compiled
def root(parent: Array, node: int) -> int:
    """The root of a node, whose path is halved on the way."""
    at = np.int64(node)
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = np.int64(parent[at])
    return int(at)


@compiled
def join(parent: Array, a: int, b: int) -> None:
    """Put two nodes into one tree, whose root is its least node."""
    x, y = root(parent, a), root(parent, b)
    if x < y:
        parent[y] = x
    else:
        parent[x] = y


@compiled
def unite(parent: Array, a: Array, b: Array) -> int:
    """Join a[i] and b[i] for all i; the number of edges taken, fewer than given at a bad code.

    Links by index with path halving (Tarjan and van Leeuwen, "Worst-case analysis of set union
    algorithms", 1984): a parent is never larger than its child, so that a root is the least node
    of its tree.
    """
    count = len(parent)
    for i in range(len(a)):
        x, y = np.int64(a[i]), np.int64(b[i])
        if x < 0 or y < 0 or x >= count or y >= count:
            return i
        join(parent, int(x), int(y))
    return len(a)


@compiled
def flatten(parent: Array) -> None:
    """Point every node at its root: parents come before their children."""
    for node in range(len(parent)):
        parent[node] = parent[parent[node]]


@compiled
def least_of_each(first: Array, keys: Array, least: Array) -> None:
    """Lower least[first[i]] to the least of its keys[i]."""
    for i in range(len(first)):
        root = first[i]
        least[root] = min(least[root], keys[i])


@compiled
def _home(key: np.uint64, mask: np.uint64) -> np.uint64:
    # The finaliser of MurmurHash3: every bit of the key moves every bit of the place.
    key ^= key >> np.uint64(33)
    key *= np.uint64(0xFF51AFD7ED558CCD)
    key ^= key >> np.uint64(33)
    key *= np.uint64(0xC4CEB9FE1A85EC53)
    key ^= key >> np.uint64(33)
    return np.uint64(key & mask)


@compiled
def encode(
    slots: Array, keys: Array, checks: Array, codes: Array, new: Array, count: int, homes: Array
) -> int:
    """Write the code of each (key, check); the number of codes given so far.

    ``slots`` holds per slot the key and, in one word, check and code + 1, where 0 is free; there
    must be room. ``new`` gets the place of each pair seen for the first time.
    """
    mask, start = np.uint64(len(slots) - 1), count
    for begin in range(0, len(keys), BLOCK):
        end = min(begin + BLOCK, len(keys))
        for i in range(begin, end):
            home = _home(np.uint64(keys[i]), mask)
            homes[i - begin, 0] = home
            homes[i - begin, 1] = slots[home, 1]
        for i in range(begin, end):
            key, check, at = np.uint64(keys[i]), np.uint64(checks[i]), homes[i - begin, 0]
            held = slots[at, 1]
            while held != 0 and (slots[at, 0] != key or held >> HALF != check):
                at = (at + np.uint64(1)) & mask
                held = slots[at, 1]
            if held == 0:
                new[count - start] = i
                count += 1
                held = (check << HALF) | np.uint64(count)
                slots[at, 0], slots[at, 1] = key, held
            codes[i] = np.int64(held & LOW) - 1
    return count


@compiled
def rehash(old: Array, slots: Array) -> None:
    """Move the keys of ``old`` into the empty, larger ``slots``."""
    mask = np.uint64(len(slots) - 1)
    for i in range(len(old)):
        if old[i, 1] != 0:
            at = _home(old[i, 0], mask)
            while slots[at, 1] != 0:
                at = (at + np.uint64(1)) & mask
            slots[at, 0], slots[at, 1] = old[i, 0], old[i, 1]
