"""The compiled loops over texts: a hash of 96 bits to compare by, and joining with a prefix.

Texts are Arrow strings as two arrays: ``data``, bytes, and ``offsets``, one more than there are
texts, text i being data[offsets[i] : offsets[i + 1]].
"""

from __future__ import annotations

import numpy as np

from pipelines.components.kernels import HALF
from pipelines.components.machine import Array, compiled, put_word, word_at


@compiled
def word_of(data: Array, at: np.uint64, end: np.uint64) -> np.uint64:
    """Up to eight bytes of data[at:end] as a little-endian word, filled up with zeros."""
    if at + np.uint64(8) <= end:
        return np.uint64(word_at(data, at))
    size = np.uint64(8) * (end - at)
    if at + np.uint64(8) <= np.uint64(len(data)):
        return np.uint64(word_at(data, at) & ((np.uint64(1) << size) - np.uint64(1)))
    word, shift = np.uint64(0), np.uint64(0)
    while shift < size:
        word |= np.uint64(data[at]) << shift
        shift += np.uint64(8)
        at += np.uint64(1)
    return word


@compiled
def _turned(word: np.uint64, by: int) -> np.uint64:
    return np.uint64((word << np.uint64(by)) | (word >> np.uint64(64 - by)))


@compiled
def _mixed(word: np.uint64) -> np.uint64:
    word ^= word >> np.uint64(33)
    word *= np.uint64(0xFF51AFD7ED558CCD)
    word ^= word >> np.uint64(33)
    word *= np.uint64(0xC4CEB9FE1A85EC53)
    return np.uint64(word ^ (word >> np.uint64(33)))


@compiled
def _absorbed(
    one: np.uint64, two: np.uint64, data: Array, start: np.int64, stop: np.int64
) -> tuple[np.uint64, np.uint64]:
    at, end = np.uint64(start), np.uint64(stop)
    while at < end:
        word = word_of(data, at, end) * np.uint64(0x87C37B91114253D5)
        one ^= _turned(word, 31) * np.uint64(0x4CF5AD432745937F)
        one = (_turned(one, 27) + two) * np.uint64(5) + np.uint64(0x52DCE729)
        if at + np.uint64(8) < end:
            word = word_of(data, at + np.uint64(8), end) * np.uint64(0x4CF5AD432745937F)
            two ^= _turned(word, 33) * np.uint64(0x87C37B91114253D5)
        two = (_turned(two, 31) + one) * np.uint64(5) + np.uint64(0x38495AB5)
        at += np.uint64(16)
    length = np.uint64(stop - start)
    one, two = one ^ length, two ^ length
    one += two
    two += one
    one, two = _mixed(one), _mixed(two)
    one += two
    return one, two + one


@compiled
def fingerprint(
    prefixes: Array, kinds: Array, offsets: Array, data: Array, keys: Array, checks: Array
) -> None:
    """Write 64 + 32 bits of a hash of each text, begun by its kind: ``keys`` and ``checks``.

    After MurmurHash3_x64_128, where ``prefixes`` holds the two seeds of each kind; a tail is
    filled up with zeros, and the length tells it apart.
    """
    for i in range(len(keys)):
        kind = kinds[i]
        one, two = _absorbed(
            prefixes[kind, 0], prefixes[kind, 1], data, offsets[i], offsets[i + 1]
        )
        keys[i], checks[i] = one, two >> HALF


@compiled
def seeds(offsets: Array, data: Array, prefixes: Array) -> None:
    """Write the two seeds that stand for each text."""
    for i in range(len(offsets) - 1):
        one, two = _absorbed(np.uint64(0), np.uint64(0), data, offsets[i], offsets[i + 1])
        prefixes[i, 0], prefixes[i, 1] = one, two


@compiled
def join(
    prefix_offsets: Array, prefixes: Array, kinds: Array, offsets: Array, data: Array,
    starts: Array, joined: Array,
) -> None:
    """Write each text behind the prefix of its kind, from ``starts`` on.

    What is written may reach seven bytes beyond the last text.
    """
    for i in range(len(kinds)):
        _put(joined, starts[i], prefixes, prefix_offsets[kinds[i]], prefix_offsets[kinds[i] + 1])
        size = offsets[i + 1] - offsets[i]
        _put(joined, starts[i + 1] - size, data, offsets[i], offsets[i + 1])


@compiled
def _put(joined: Array, to: int, data: Array, start: int, stop: int) -> None:
    for at in range(start, stop, 8):
        put_word(joined, np.uint64(to + at - start), word_of(data, np.uint64(at), np.uint64(stop)))
