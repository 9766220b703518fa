"""What a date keeps of a measure, and how two are put together: mergeable and exact."""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from pipelines.tags.streaming.rows import MILLION, Value
from pipelines.tags.streaming.runs import Run

Moment = tuple[int, str]
"""An instant, and what was said then."""


class Part(msgspec.Struct, array_like=True):
    """The measure over some rows; what a tag does not ask for stays empty."""

    count: int = 0
    sum: int = 0
    """Of decimals the whole part, so that no sum leaves 64 bits."""
    millionths: int = 0
    least: int | None = None
    most: int | None = None
    first: Moment | None = None
    last: Moment | None = None
    values: dict[str, int] = {}
    """How often each value came."""


class Kept(msgspec.Struct, array_like=True):
    """A measure of a bundle: by date, and in one what no window will tell apart again."""

    days: dict[int, Part]
    before: Part | None = None
    dates: list[Run] = []
    """Dates that have a row, where a tag asks for dates."""


def put(
    part: Part, kinds: Collection[str], value: Value, text: str, at: int, is_decimal: bool
) -> None:
    """Add one row's ``value`` to ``part``, for the ``kinds`` that are asked."""
    if "count" in kinds:
        part.count += 1
    if "sum" in kinds:
        if is_decimal:
            whole, rest = divmod(int(value), MILLION)
            part.sum += whole
            part.millionths += rest
        else:
            part.sum += int(value)
    if "least" in kinds and (part.least is None or int(value) < part.least):
        part.least = int(value)
    if "most" in kinds and (part.most is None or int(value) > part.most):
        part.most = int(value)
    if "first" in kinds and (part.first is None or (at, text) < part.first):
        part.first = (at, text)
    if "last" in kinds and (part.last is None or (at, text) > part.last):
        part.last = (at, text)
    if "distinct" in kinds:
        part.values[text] = part.values.get(text, 0) + 1


def merge(into: Part, other: Part) -> None:
    """Add ``other`` to ``into``."""
    into.count += other.count
    into.sum += other.sum
    into.millionths += other.millionths
    if other.least is not None and (into.least is None or other.least < into.least):
        into.least = other.least
    if other.most is not None and (into.most is None or other.most > into.most):
        into.most = other.most
    if other.first is not None and (into.first is None or other.first < into.first):
        into.first = other.first
    if other.last is not None and (into.last is None or other.last > into.last):
        into.last = other.last
    for value, times in other.values.items():
        into.values[value] = into.values.get(value, 0) + times
