"""Rows that are no edges: each is refused with a reason and counted, none is lost.

Whole batches are looked over at once; only one in which something is amiss is taken row by row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from domain.identifiers import LONGEST
from pipelines.edges.inputs import KEY, MOMENT
from pipelines.edges.texts import buffers

Flags = npt.NDArray[np.bool_]
Shorts = npt.NDArray[np.int8]

REASONS = (
    "",
    "null",
    "empty",
    "not_utf8",
    "too_long",
    "nul_byte",
    "same_on_both_sides",
    "last_seen_before_first_seen",
    "date_out_of_range",
    "count_not_a_positive_whole_number",
    "probability_not_between_0_and_1",
    "unknown_type",
    "nothing_visible",
    "not_a_phone",
    "not_an_email",
    "misspelt_type",
)
"""What a row is refused for; one with several faults has the first of them as its reason."""
CODE = {name: place for place, name in enumerate(REASONS)}

REFUSED = pa.schema([*((name, pa.string()) for name in KEY), ("reason", pa.string())])
_MOST_COUNTED = 10**12
_YEARS = tuple(np.datetime64(day, "us").astype(int) for day in ("0001-01-02", "9999-12-30"))


class Refusals:
    """Refused rows on disk, values cut to their first ``LONGEST`` characters, and their counts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts: Counter[str] = Counter()
        self._file = pa.ipc.new_file(path, REFUSED)

    def __enter__(self) -> Refusals:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def take(self, columns: Sequence[pa.Array], reasons: Shorts) -> None:
        """Keep rows of (type_a, value_a, type_b, value_b) with their reasons' codes."""
        names = pa.array(REASONS).take(pa.array(reasons, pa.int8()))
        texts = [_cut(column) for column in columns]
        self._file.write_batch(pa.record_batch([*texts, names], schema=REFUSED))
        for code, count in zip(*np.unique(reasons, return_counts=True), strict=True):
            self.counts[REASONS[int(code)]] += int(count)

    @property
    def total(self) -> int:
        """Rows refused so far."""
        return sum(self.counts.values())

    def sift(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The rows of ``batch`` that are edges; the others are kept here."""
        reasons = _reasons(batch)
        if reasons is None:
            return _with_whole_counts(batch)
        is_bad = reasons > 0
        bad = batch.filter(pa.array(is_bad))
        self.take(bad.columns[:4], reasons[is_bad])
        return _with_whole_counts(_without_unused_types(batch.filter(pa.array(~is_bad))))


def _reasons(batch: pa.RecordBatch) -> Shorts | None:
    """The code of each row's reason, 0 of an edge; None where all are edges."""
    found = np.zeros(len(batch), np.int8)
    # The last one written is the first of the list.
    for name, is_bad in reversed([*_text_faults(batch), *_extra_faults(batch)]):
        found[is_bad] = CODE[name]
    return found if found.any() else None


def _text_faults(batch: pa.RecordBatch) -> list[tuple[str, Flags]]:
    columns = [batch[name] for name in KEY]
    same = _flags(pc.equal(batch["value_a"], batch["value_b"]))
    if same.any():
        same &= _flags(pc.equal(*(batch[name].cast(pa.string()) for name in ("type_a", "type_b"))))
    if all(_is_sound(column) for column in columns):
        return [("same_on_both_sides", same)]
    texts = [column.cast(pa.string()) for column in columns]
    return [
        ("null", _any(pc.is_null(text) for text in texts)),
        ("empty", _any(pc.equal(pc.binary_length(text), 0) for text in texts)),
        ("not_utf8", _any(_is_garbled(text) for text in texts)),
        ("too_long", _any(pc.greater(pc.utf8_length(text), LONGEST) for text in texts)),
        ("nul_byte", _any(pc.match_substring(text, "\0") for text in texts)),
        ("same_on_both_sides", same),
    ]


def _is_sound(column: pa.Array) -> bool:
    from pipelines.edges.kernels import survey

    text = column.dictionary if pa.types.is_dictionary(column.type) else column
    if column.null_count or text.null_count:
        return False
    if len(text) == 0:
        return True
    shortest, longest, has_nul, is_wide = survey(*buffers(text))
    return shortest > 0 and longest <= LONGEST and not has_nul and not (is_wide and _fails(text))


def _fails(text: pa.Array) -> bool:
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return True
    return False


def _is_garbled(text: pa.Array) -> pa.Array:
    if not _fails(text):
        return pa.array(np.zeros(len(text), np.bool_))
    return pa.array([one is not None and _decoded(one) is None for one in _bytes(text)])


def _decoded(one: bytes) -> str | None:
    try:
        return one.decode()
    except UnicodeDecodeError:
        return None


def _bytes(text: pa.Array) -> list[bytes | None]:
    found: list[bytes | None] = text.cast(pa.binary()).to_pylist()
    return found


def _cut(column: pa.Array) -> pa.Array:
    text = column.cast(pa.string())
    if _fails(text):
        text = pa.array(
            [None if one is None else one.decode(errors="replace") for one in _bytes(text)]
        )
    return pc.utf8_slice_codeunits(text, 0, LONGEST)


def _extra_faults(batch: pa.RecordBatch) -> list[tuple[str, Flags]]:
    faults: list[tuple[str, Flags]] = []
    names = batch.schema.names
    if "source" in names:
        text = batch["source"]
        if text.null_count < len(text) and not _is_sound(text.drop_null()):
            faults += [
                ("not_utf8", _flags(_is_garbled(text))),
                ("too_long", _flags(pc.greater(pc.utf8_length(text), LONGEST))),
                ("nul_byte", _flags(pc.match_substring(text, "\0"))),
            ]
    moments = [_moments(batch[name]) for name in ("first_seen", "last_seen") if name in names]
    if len(moments) == 2:
        faults.append(("last_seen_before_first_seen", _flags(pc.less(moments[1], moments[0]))))
    for one in moments:
        outside = pc.or_(pc.less(one, _YEARS[0]), pc.greater(one, _YEARS[1]))
        faults.append(("date_out_of_range", _flags(outside)))
    if "count" in names:
        count = batch["count"]
        is_odd = pc.or_(pc.less(count, 1), pc.greater(count, _MOST_COUNTED))
        if pa.types.is_floating(count.type):
            is_odd = pc.or_(is_odd, pc.invert(pc.equal(count, pc.floor(count))))
        faults.append(("count_not_a_positive_whole_number", _flags(is_odd)))
    if "probability" in names:
        share = batch["probability"]
        inside = pc.and_(pc.greater_equal(share, 0.0), pc.less_equal(share, 1.0))
        faults.append(("probability_not_between_0_and_1", _flags(pc.invert(inside))))
    return faults


def _without_unused_types(batch: pa.RecordBatch) -> pa.RecordBatch:
    for name in ("type_a", "type_b"):
        names = batch[name].cast(pa.string()).dictionary_encode()
        batch = batch.set_column(batch.schema.get_field_index(name), name, names)
    return batch


def _with_whole_counts(batch: pa.RecordBatch) -> pa.RecordBatch:
    if "count" not in batch.schema.names or pa.types.is_integer(batch["count"].type):
        return batch
    place = batch.schema.get_field_index("count")
    return batch.set_column(place, "count", batch["count"].cast(pa.int64()))


def _moments(column: pa.Array) -> pa.Array:
    return column.cast(MOMENT).cast(pa.int64())


def _any(masks: Any) -> Flags:
    found = [_flags(mask) for mask in masks]
    every: Flags = np.logical_or.reduce(found)
    return every


def _flags(mask: pa.Array) -> Flags:
    return np.asarray(mask.fill_null(False).to_numpy(zero_copy_only=False), np.bool_)
