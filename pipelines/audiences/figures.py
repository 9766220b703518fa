"""Figures of audiences from bitmaps: overlaps, how a tag is spread inside one, and a sample."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
from pyroaring import AbstractBitMap

from lake.engines.duckdb import quoted
from pipelines.audiences.bits import as_array
from pipelines.audiences.selector import Selector
from pipelines.tags.published.bitmaps import TagBits
from pipelines.tags.published.coded import plain
from schemas.audiences import Audience
from schemas.errors import NotFoundError, UsageError

LISTED, TENTHS = 20, 10
"""Most values that are counted one by one, and ranges for those that have more."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a tag is spread inside an audience.

    ``bins`` are (value, persons): each value, the most frequent first, or tenths of the known, each
    with the highest value in it. Persons (of lists: mentions) in no bin are ``count_other``.
    """

    tag: str
    shape: Literal["values", "tenths"]
    bins: list[tuple[Any, int]]
    count_other: int
    count_unknown: int


def overlap(selector: Selector, audiences: Sequence[Audience | str]) -> list[list[int]]:
    """How many are in both, for each two; in the diagonal the size of each."""
    members = [selector.members(audience) for audience in audiences]
    found = [[len(one) for _ in members] for one in members]
    for row, left in enumerate(members):
        for column in range(row):
            both = left.intersection_cardinality(members[column])
            found[row][column] = found[column][row] = both
    return found


def sample(selector: Selector, audience: Audience | str, n: int, seed: str) -> list[int]:
    """``person_no`` of ``n`` members by chance, rising; all when they are fewer.

    The same ``seed`` gives the same of the same members.
    """
    members = selector.members(audience)
    if n < 1:
        raise UsageError("a sample of nobody", expected="1 or more", got=str(n))
    chosen = random.Random(seed).sample(range(len(members)), min(n, len(members)))
    return sorted(members[place] for place in chosen)


def distribution(selector: Selector, audience: Audience | str, tag: str) -> Distribution:
    """How the tag's values are spread inside the audience, exactly.

    NotFoundError for a tag that there is not, or that is not published of the date.
    """
    named = {one.name: one for one in selector.tags}
    if tag not in named:
        raise NotFoundError(
            f"there is no tag {tag!r}", expected="one of " + ", ".join(sorted(named)), got=tag
        )
    members = selector.members(audience)
    bits = selector.bitmaps.tag(selector.day.column(named[tag]))
    known = members & bits.known()
    unknown = len(members) - len(known)
    if bits.form == "values":
        return _by_value(tag, bits, known, unknown)
    if bits.kind == "text":
        return _by_query(selector, tag, selector.day.column(named[tag]), known, unknown)
    return Distribution(tag, "tenths", _tenths(bits, known), 0, unknown)


def _by_value(tag: str, bits: TagBits, known: AbstractBitMap, unknown: int) -> Distribution:
    counts = [
        known.intersection_cardinality(bits.bitmap(str(place)))
        for place in range(len(bits.values))
    ]
    most = sorted(range(len(counts)), key=lambda place: -counts[place])[:LISTED]
    bins = [(_plain(bits, place), counts[place]) for place in most if counts[place]]
    return Distribution(
        tag, "values", bins, sum(counts) - sum(count for _, count in bins), unknown
    )


def _by_query(
    selector: Selector, tag: str, column: str, known: AbstractBitMap, unknown: int
) -> Distribution:
    """Texts of very many values lie in slices, which know no value by itself."""
    session = selector.session
    session.register("persons_spread", pa.table({"person_no": as_array(known)}))
    rows = session.rows(
        f'SELECT "{column}", count(*) AS n FROM tag_values SEMI JOIN persons_spread '
        f"USING (person_no) WHERE business_date = CAST({quoted(str(selector.date))} AS DATE) "
        f"GROUP BY 1 ORDER BY n DESC, 1 LIMIT {LISTED}"
    )
    session.execute("DROP VIEW persons_spread")
    bins = [(value, int(str(count))) for value, count in rows]
    return Distribution(
        tag, "values", bins, len(known) - sum(count for _, count in bins), unknown
    )


def _tenths(bits: TagBits, known: AbstractBitMap) -> list[tuple[Any, int]]:
    found: list[tuple[Any, int]] = []
    total, before = len(known), 0
    for tenth in range(1, TENTHS + 1):
        wanted = -(-total * tenth // TENTHS)
        if wanted > before:
            place, until = _place_of(bits, known, wanted - 1)
            found.append((_plain(bits, place), until - before))
            before = until
    return found


def _place_of(bits: TagBits, left: AbstractBitMap, number: int) -> tuple[int, int]:
    """The rank of the value that the ``number``-th person in order has, and how many have no more.

    Digit by digit from the greatest: who has a 0 comes first.
    """
    place, passed = 0, 0
    for digit in reversed(range((len(bits.values) - 1).bit_length())):
        zeros = left & bits.bitmap(str(digit))
        if number - passed < len(zeros):
            left = zeros
        else:
            passed += len(zeros)
            left = left - zeros
            place |= 1 << digit
    return place, passed + len(left)


def _plain(bits: TagBits, place: int) -> Any:
    value = bits.values[place]
    return value if isinstance(value, str) else plain(bits.kind, value)
