"""The first so many of some persons by a tag, from its bitmaps: digit by digit, nobody is sorted.

The greatest digit first, as long as more are left than wanted those with the better digit go on
(O'Neil & Quass, Improved Query Performance with Variant Indexes, 1997, on quantiles).
"""

from __future__ import annotations

from pyroaring import AbstractBitMap, BitMap

from pipelines.tags.published.bitmaps import TagBits


def first_by(
    bits: TagBits, persons: AbstractBitMap, n: int, *, is_highest: bool
) -> AbstractBitMap:
    """The first ``n`` of ``persons`` by value, equal ones by number; the unknown are not in it."""
    left = persons & bits.known()
    if len(left) <= n:
        return left
    if bits.form == "values":
        return _by_values(bits, left, n, is_highest=is_highest)
    chosen = BitMap()
    for digit in reversed(range((len(bits.values) - 1).bit_length())):
        zeros = bits.bitmap(str(digit))
        better = left - zeros if is_highest else left & zeros
        if len(chosen) + len(better) > n:
            left = better
        else:
            chosen |= better
            left = left & zeros if is_highest else left - zeros
    return chosen | lowest_numbers(left, n - len(chosen))


def _by_values(
    bits: TagBits, left: AbstractBitMap, n: int, *, is_highest: bool
) -> AbstractBitMap:
    chosen = BitMap()
    places = range(len(bits.values))
    for place in reversed(places) if is_highest else places:
        equal = left & bits.bitmap(str(place))
        if len(chosen) + len(equal) >= n:
            return chosen | lowest_numbers(equal, n - len(chosen))
        chosen |= equal
    return chosen


def lowest_numbers(persons: AbstractBitMap, n: int) -> AbstractBitMap:
    """The ``n`` of them with the lowest numbers; all when they are fewer."""
    if n >= len(persons):
        return persons
    return persons & BitMap(range(persons[n])) if n > 0 else BitMap()
