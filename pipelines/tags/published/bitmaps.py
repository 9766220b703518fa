"""A tag as bitmaps of person numbers: who has which value, and who is known at all.

Few values have a bitmap each; numbers, dates and texts of many values are bit-sliced by rank.
Every answer is exact and that of SQL: an unknown value fulfils no comparison.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pyroaring import AbstractBitMap, BitMap

from pipelines.tags.published import slices
from pipelines.tags.published.coded import Coded, Values
from pipelines.tags.published.containers import of_flags, stored
from schemas.errors import UsageError
from schemas.rules import OF_TEXTS, Comparison, Scalar
from schemas.tag_definitions import Type

FEW: dict[Type, int] = {
    "boolean": 2, "text": 1_000, "integer": 16, "number": 16, "date": 16, "texts": 1 << 31,
}
"""Most values that have a bitmap each. Each person is in one of them, 16 bits where they are many
and one bit per value where few, against one bit per binary digit; but `=` opens one bitmap where
slices open all digits, and texts are asked for `=` and `in`, numbers for ranges. A list is many
values at once and cannot be sliced."""

Form = Literal["values", "slices"]
Blobs = dict[str, bytes]


def about(column: Coded) -> dict[str, Any]:
    """What a reader must know beside the blobs: type, form, counts."""
    return {
        "type": column.kind,
        "form": form_of(column),
        "count_values": len(column.values),
        "count_known": column.count_known,
    }


def form_of(column: Coded) -> Form:
    """Whether each value has a bitmap, or the ranks are sliced."""
    return "values" if len(column.values) <= FEW[column.kind] else "slices"


def blobs(column: Coded) -> Blobs:
    """The bitmaps of a column, ``known`` and those numbered from 0, and its values."""
    found = {"known": stored(of_flags(column.codes > 0)), **_values_blobs(column)}
    if form_of(column) == "values":
        bitmaps = list(column.members())
    else:
        bitmaps = slices.sliced(column.codes, len(column.values))
    return found | {str(number): stored(bitmap) for number, bitmap in enumerate(bitmaps)}


def _values_blobs(column: Coded) -> Blobs:
    values = column.values
    if not isinstance(values, pa.StringArray):
        return {"values": np.ascontiguousarray(values).astype(_stored_as(column.kind)).tobytes()}
    texts = [text.encode() for text in values.to_pylist()]
    ends = np.cumsum([len(text) for text in texts], dtype="<i8")
    return {"values": b"".join(texts), "ends": ends.tobytes()}


def _stored_as(kind: str) -> str:
    return "<f8" if kind == "number" else "<i8"


class _Texts(Sequence[str]):
    """Texts that lie one after another, with the place where each ends."""

    def __init__(self, content: memoryview | bytes, ends: memoryview | bytes) -> None:
        self._content, self._ends = memoryview(content), np.frombuffer(ends, "<i8")

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, place: Any) -> Any:
        start = int(self._ends[place - 1]) if place else 0
        return bytes(self._content[start : int(self._ends[place])]).decode()


@dataclass(frozen=True, slots=True)
class TagBits:
    """One tag of one date; ``bitmap`` gives the bitmap of a name.

    Answers may be bitmaps that others hold too: join them (``&``, ``|``, ``-``), change none.
    """

    name: str
    kind: Type
    form: Form
    values: Values
    bitmap: Callable[[str], BitMap]

    def less(self, without: AbstractBitMap) -> TagBits:
        """The same as if the persons of ``without`` had never been."""
        held: dict[str, BitMap] = {}

        def bitmap(key: str) -> BitMap:
            if key not in held:
                held[key] = BitMap(self.bitmap(key) - without)
            return held[key]

        return replace(self, bitmap=bitmap)

    def known(self) -> AbstractBitMap:
        """Persons of whom the value is known."""
        return self.bitmap("known")

    def where(self, test: Comparison) -> AbstractBitMap:
        """Persons of whom the comparison is true; for lists, that any element makes it so.

        `null` is not asked here: it needs to know everyone. UsageError for a value that the
        tag's type cannot be compared with.
        """
        operator, known = test.operator, self.bitmap("known")
        if operator == "notNull":
            return known
        if operator in OF_TEXTS and self.kind != "texts":
            raise self._unfit(operator, test.value)
        if operator in _OPPOSITE:
            return known - self._inside(_OPPOSITE[operator], test.value)
        return self._inside(operator, test.value)

    def _inside(self, operator: str, value: Scalar | list[Scalar] | None) -> AbstractBitMap:
        given = value if isinstance(value, list) else [value]
        if None in given or not given or (operator == "between" and len(given) != 2):
            raise self._unfit(operator, value)
        places = [self._place(operator, one) for one in given]
        if operator in ("=", "in", "contains"):
            return _union([self._ranks(*one) for one in sorted(set(places)) if one[0] < one[1]])
        if operator == "between":
            return self._ranks(places[0][0], places[1][1])
        (below, above), = places
        first, after = {
            "<": (0, below), "<=": (0, above), ">": (above, len(self.values)),
            ">=": (below, len(self.values)),
        }[operator]
        return self._ranks(first, after)

    def _place(self, operator: str, value: Any) -> tuple[int, int]:
        """Count of values below ``value``, and of those not above it."""
        kinds: dict[Type, tuple[type, ...]] = {
            "boolean": (bool,), "integer": (int, float), "number": (int, float),
        }
        fits = kinds.get(self.kind, (str,))
        if not isinstance(value, fits) or (isinstance(value, bool) and bool not in fits):
            raise self._unfit(operator, value)
        if self.kind == "date":
            value = self._days(operator, str(value))
        low, high = 0, len(self.values)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if self.values[middle] < value else (low, middle)
        return low, low + bool(low < len(self.values) and self.values[low] == value)

    def _days(self, operator: str, text: str) -> int:
        try:
            return (date.fromisoformat(text) - date(1970, 1, 1)).days
        except ValueError:
            raise self._unfit(operator, text) from None

    def _ranks(self, first: int, after: int) -> AbstractBitMap:
        """Who has one of the values from place ``first`` up to ``after``."""
        if after <= first:
            return BitMap()
        known = self.bitmap("known")
        if self.form == "slices":
            count = (len(self.values) - 1).bit_length()
            return slices.between(_Lazy(self.bitmap, count), known, first, after)
        inside = range(first, after)
        others = [place for place in range(len(self.values)) if place not in inside]
        if self.kind != "texts" and len(others) < len(inside):
            return known - _union([self.bitmap(str(n)) for n in others]) if others else known
        return _union([self.bitmap(str(n)) for n in inside])

    def _unfit(self, operator: str, value: object) -> UsageError:
        return UsageError(
            f"{self.name} cannot be compared with this", expected=f"a value of type {self.kind}",
            got=f"{operator} {value!r}", where=f"tag {self.name}",
        )


def _union(parts: Sequence[AbstractBitMap]) -> AbstractBitMap:
    if len(parts) < 2:
        return parts[0] if parts else BitMap()
    return BitMap.union(*parts)


_OPPOSITE = {
    "!=": "=", "notIn": "in", "notBetween": "between", "doesNotContain": "contains",
}


class _Lazy(Sequence[BitMap]):
    """Slices, each read when it is asked for."""

    def __init__(self, bitmap: Callable[[str], BitMap], count: int) -> None:
        self._bitmap, self._count = bitmap, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, digit: Any) -> Any:
        if digit >= self._count:
            raise IndexError(digit)
        return self._bitmap(str(digit))


def bits_of(name: str, column: Coded) -> TagBits:
    """A column's bitmaps without a file between."""
    held = {key: BitMap.deserialize(blob) for key, blob in _bitmaps_of(blobs(column)).items()}
    values = column.values
    texts = values.to_pylist() if isinstance(values, pa.StringArray) else values
    return TagBits(name, column.kind, form_of(column), texts, held.__getitem__)


def read_bits(
    name: str, told: Mapping[str, Any], blob: Callable[[str], Any]
) -> TagBits:
    """The bitmaps of ``about`` and ``blobs`` as they were kept; each is opened once, when asked."""
    held: dict[str, BitMap] = {}

    def bitmap(key: str) -> BitMap:
        if key not in held:
            held[key] = BitMap.deserialize(blob(key))
        return held[key]

    is_text = told["type"] in ("text", "texts")
    values: Values = (
        _Texts(blob("values"), blob("ends"))
        if is_text
        else np.frombuffer(blob("values"), _stored_as(told["type"]))
    )
    return TagBits(name, told["type"], told["form"], values, bitmap)


def _bitmaps_of(found: Blobs) -> Blobs:
    return {key: blob for key, blob in found.items() if key not in ("values", "ends")}

