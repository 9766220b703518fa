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


def below(slices: Sequence[BitMap], known: BitMap, rank: int) -> AbstractBitMap:
    """Who of ``known`` has a lower rank than ``rank``; reads no slice that cannot matter.

    May be one of those given, so nobody may change it (a copy would cost more than the answer).
    """
    if rank <= 0:
        return BitMap()
    if rank >> len(slices):
        return known
    least = (rank & -rank).bit_length() - 1
    found, is_own = slices[least], False
    for digit in range(least + 1, len(slices)):
        found = _joined(found, slices[digit], bool(rank >> digit & 1), is_own)
        is_own = True
    return found


def _joined(found: BitMap, zeros: BitMap, is_union: bool, is_own: bool) -> BitMap:
    if not is_own:
        return found | zeros if is_union else found & zeros
    if is_union:
        found |= zeros
    else:
        found &= zeros
    return found


def equal(slices: Sequence[BitMap], known: BitMap, rank: int) -> AbstractBitMap:
    """Who of ``known`` has the rank; nobody may change it."""
    if rank < 0 or rank >> len(slices):
        return BitMap()
    found, is_own = known, False
    for digit, zeros in enumerate(slices):
        is_one = bool(rank >> digit & 1)
        if not is_own:
            found = found - zeros if is_one else found & zeros
        elif is_one:
            found -= zeros
        else:
            found &= zeros
        is_own = True
    return found


def between(
    slices: Sequence[BitMap], known: BitMap, first: int, after: int
) -> AbstractBitMap:
    """Who of ``known`` has a rank of ``first`` or more and below ``after``."""
    if after <= first:
        return BitMap()
    if after == first + 1:
        return equal(slices, known, first)
    upper = below(slices, known, after)
    return upper - below(slices, known, first) if first > 0 else upper
