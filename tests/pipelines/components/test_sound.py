"""What a quick look lets through has no row to refuse."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pipelines.components.sound import UnsoundEdges, sound_edges

GOOD = ("phone", "1", "email", "a")
NAMES = ["type_a", "value_a", "type_b", "value_b"]


def batch(*rows: tuple[str | None, ...], as_dictionary: bool = False) -> pa.RecordBatch:
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    if as_dictionary:
        columns[0], columns[2] = columns[0].dictionary_encode(), columns[2].dictionary_encode()
    return pa.record_batch(columns, names=NAMES)


@pytest.mark.parametrize("as_dictionary", [False, True])
@pytest.mark.parametrize(
    "bad",
    [
        (None, "1", "email", "a"),
        ("phone", None, "email", "a"),
        ("phone", "", "email", "a"),
        ("phone", "1", "", "a"),
        ("phone", "1", "email", "x" * 257),
        ("phone", "1\0", "email", "a"),
        ("phone\0", "1", "email", "a"),
        ("phone", "1", "phone", "1"),
    ],
)
def test_one_bad_row_is_seen(bad: tuple[str | None, ...], as_dictionary: bool) -> None:
    one = batch(GOOD, bad, GOOD, as_dictionary=as_dictionary)
    with pytest.raises(UnsoundEdges):
        list(sound_edges([one]))


@pytest.mark.parametrize("as_dictionary", [False, True])
def test_good_rows_come_as_they_are(as_dictionary: bool) -> None:
    one = batch(GOOD, ("phone", "1", "email", "1"), as_dictionary=as_dictionary)
    assert list(sound_edges([one, one])) == [one, one]


def test_no_rows_are_sound() -> None:
    empty = batch(GOOD).slice(0, 0)
    assert list(sound_edges([empty])) == [empty]
