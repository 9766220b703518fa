"""The compiled loops over texts and pairs of edges; arrays are read, or changed in place."""

from __future__ import annotations

import numpy as np

from pipelines.components.kernels import join
from pipelines.components.machine import Array, compiled

VISIBLE, UPPER, LOWER = 1, 2, 4
"""Of a text: all of it is visible ASCII; it has capital letters; it has small ones."""


@compiled
def survey(offsets: Array, data: Array) -> tuple[int, int, bool, bool]:
    """Bytes of the shortest and of the longest text, and whether any has NUL, or is not ASCII."""
    shortest, longest = 1 << 62, 0
    for i in range(len(offsets) - 1):
        size = offsets[i + 1] - offsets[i]
        shortest, longest = min(shortest, size), max(longest, size)
    least, most = np.uint8(255), np.uint8(0)
    for at in range(offsets[0], offsets[-1]):
        least, most = min(least, data[at]), max(most, data[at])
    return shortest, longest, bool(least == 0), bool(most >= 128)


@compiled
def look(offsets: Array, data: Array, found: Array) -> None:
    """Write ``VISIBLE``, ``UPPER`` and ``LOWER`` of each text."""
    for i in range(len(found)):
        marks = np.uint8(VISIBLE)
        for at in range(offsets[i], offsets[i + 1]):
            byte = data[at]
            if byte < 0x21 or byte > 0x7E:
                marks &= np.uint8(UPPER | LOWER)
            elif 65 <= byte <= 90:
                marks |= np.uint8(UPPER)
            elif 97 <= byte <= 122:
                marks |= np.uint8(LOWER)
        found[i] = marks


@compiled
def gather(data: Array, starts: Array, places: Array, offsets: Array, out: Array) -> None:
    """Write the texts at ``places`` one after the other; ``offsets`` says where each goes."""
    for i in range(len(places)):
        start = starts[places[i]]
        to = offsets[i]
        for at in range(offsets[i + 1] - to):
            out[to + at] = data[start + at]


@compiled
def first_difference(
    data: Array, starts: Array, sizes: Array, kinds: Array, one: Array, other: Array
) -> int:
    """The least i where the identifiers one[i] and other[i] are not the same; -1 without any."""
    for i in range(len(one)):
        a, b = one[i], other[i]
        if kinds[a] != kinds[b] or sizes[a] != sizes[b]:
            return i
        for at in range(sizes[a]):
            if data[starts[a] + at] != data[starts[b] + at]:
                return i
    return -1


@compiled
def count_partners(pairs: Array, kinds: Array, slots: Array, usable: Array, counts: Array) -> None:
    """Count for each code its partners of the types that ``slots`` says, up to 65,535.

    ``pairs`` hold two codes in one word, distinct; slots[type, type of partner] is the column of
    ``counts``, or negative. Only pairs of two ``usable`` codes count.
    """
    for pair in pairs:
        a, b = pair >> 32, pair & 0xFFFFFFFF
        if not (usable[a] and usable[b]):
            continue
        slot = slots[kinds[a], kinds[b]]
        if slot >= 0 and counts[a, slot] < 65535:
            counts[a, slot] += 1
        slot = slots[kinds[b], kinds[a]]
        if slot >= 0 and counts[b, slot] < 65535:
            counts[b, slot] += 1


@compiled
def unite_pairs(parent: Array, pairs: Array, usable: Array) -> None:
    """Join the two codes of each pair where both are usable; a root is its tree's least code."""
    for pair in pairs:
        x, y = pair >> 32, pair & 0xFFFFFFFF
        if usable[x] and usable[y]:
            join(parent, x, y)


@compiled
def first_days(pairs: Array, moments: Array, firsts: Array) -> None:
    """Lower firsts[code] to the least moment of its pairs."""
    for i in range(len(pairs)):
        a, b = pairs[i] >> 32, pairs[i] & 0xFFFFFFFF
        firsts[a] = min(firsts[a], moments[i])
        firsts[b] = min(firsts[b], moments[i])
