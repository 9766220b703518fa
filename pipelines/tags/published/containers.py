"""Roaring bitmaps from numpy, a hundred times faster than number by number.

The bytes are those of the portable format: per 65,536 numbers a container, of words where more
than 4,096 are in, else of sorted 16-bit numbers.
https://github.com/RoaringBitmap/RoaringFormatSpec
"""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

_COOKIE, _SPAN, _MOST_LISTED = 12346, 65_536, 4_096
Flags = NDArray[Any]
Numbers = NDArray[Any]


def padded(width: int) -> int:
    """The length up to which flags fill whole containers, so that they need no copy."""
    return -(-max(width, 1) // _SPAN) * _SPAN


def of_flags(flags: Flags) -> BitMap:
    """The places at which ``flags`` are true, or not 0."""
    if len(flags) != padded(len(flags)):
        flags = np.pad(flags, (0, padded(len(flags)) - len(flags)))
    spans = flags.reshape(-1, _SPAN)
    words = np.packbits(spans, axis=1, bitorder="little")
    sizes = np.bitwise_count(words.view(np.uint64)).sum(axis=1, dtype=np.int64)
    keys = np.flatnonzero(sizes)
    if not len(keys):
        return BitMap()
    bodies = [
        words[key].tobytes()
        if sizes[key] > _MOST_LISTED
        else np.flatnonzero(spans[key]).astype("<u2").tobytes()
        for key in keys
    ]
    return BitMap.deserialize(_head(keys, sizes[keys], [len(b) for b in bodies]) + b"".join(bodies))


def of_sorted(numbers: Numbers, width: int) -> BitMap:
    """The given rising numbers, all below ``width``."""
    if len(numbers) * 32 < width:
        return BitMap(array("I", numbers.astype(np.uint32).tobytes()))
    flags = np.zeros(width, dtype=bool)
    flags[numbers] = True
    return of_flags(flags)


def stored(bitmap: BitMap) -> bytes:
    """The bitmap in the portable format, runs where they are shorter."""
    bitmap.run_optimize()
    return bitmap.serialize()


def _head(keys: Numbers, sizes: Numbers, lengths: list[int]) -> bytes:
    described = np.stack([keys, sizes - 1], axis=1).astype("<u2").tobytes()
    first = 8 + len(described) + 4 * len(keys)
    places = first + np.concatenate([[0], np.cumsum(lengths)[:-1]])
    head = np.array([_COOKIE, len(keys)], "<u4").tobytes()
    return head + described + places.astype("<u4").tobytes()
