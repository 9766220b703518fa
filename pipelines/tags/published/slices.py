"""Bit-sliced numbers: a bitmap per binary digit, compared without looking at anyone's number.

What is sliced is a rank among the values that occur, so that negative, decimal and dated values
need no scale and as few slices as their count allows. A slice holds who has a 0 in the digit: a
comparison is then one union or intersection per digit (O'Neil & Quass, Improved Query Performance
with Variant Indexes, 1997; the zeros are the range encoding of Chan & Ioannidis, 1998, in base 2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pyroaring import AbstractBitMap, BitMap

from pipelines.tags.published.containers import of_flags


def sliced(codes: NDArray[np.uint32], count_ranks: int) -> list[BitMap]:
    """Who has a 0 in each digit of the rank, the least digit first.

    ``codes`` by person number are 0 for the unknown, who are in no slice, else rank + 1.
    """
    # The digits turned round, and none for the unknown, so that a 1 stands where a 0 is meant.
    turned = np.where(codes > 0, ~(codes - np.uint32(1)), np.uint32(0)).astype("<u4", copy=False)
    planes = turned.view(np.uint8).reshape(-1, 4)
    found: list[BitMap] = []
    for digit in range((count_ranks - 1).bit_length() if count_ranks else 0):
        if digit % 8 == 0:
            plane = np.ascontiguousarray(planes[:, digit // 8])
        found.append(of_flags(plane & np.uint8(1 << digit % 8)))
    return found


def below(slices: Sequence[BitMap], known: AbstractBitMap, rank: int) -> AbstractBitMap:
    """Who of ``known`` has a lower rank than ``rank``; reads no slice that cannot matter.

    The greatest digit first: those who still are as ``rank`` become fewer with each, so that the
    digits after the first few cost little. May be the one given, so nobody may change it.
    """
    if rank <= 0:
        return BitMap()
    if rank >> len(slices):
        return known
    found: list[AbstractBitMap] = []
    alike, last = known, (rank & -rank).bit_length() - 1
    for digit in reversed(range(last, len(slices))):
        zeros = slices[digit]
        if not rank >> digit & 1:
            alike = alike & zeros
        else:
            found.append(alike & zeros)
            if digit > last:
                alike = alike - found[-1]
        if not alike:
            break
    return found[0] if len(found) == 1 else BitMap.union(*found) if found else BitMap()


def equal(slices: Sequence[BitMap], known: AbstractBitMap, rank: int) -> AbstractBitMap:
    """Who of ``known`` has the rank; nobody may change it."""
    if rank < 0 or rank >> len(slices):
        return BitMap()
    found = known
    for digit, zeros in enumerate(slices):
        found = found - zeros if rank >> digit & 1 else found & zeros
    return found


def between(
    slices: Sequence[BitMap], known: AbstractBitMap, first: int, after: int
) -> AbstractBitMap:
    """Who of ``known`` has a rank of ``first`` or more and below ``after``."""
    if after <= first:
        return BitMap()
    if after == first + 1:
        return equal(slices, known, first)
    upper = below(slices, known, after)
    return upper - below(slices, upper, first) if first > 0 else upper
