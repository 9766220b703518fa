"""Codes of 64-bit keys, held against a dict."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.components import KeyCodes, codes

KEYS = st.lists(st.sampled_from([-(2**63), -1, 0, 1, 5, 2**32, 2**63 - 1]) | st.integers(0, 40))


@given(st.lists(KEYS, max_size=4))
def test_codes_are_dense_and_in_the_order_of_first_appearance(chunks: list[list[int]]) -> None:
    table, expected = KeyCodes(), dict[int, int]()
    for chunk in chunks:
        before = len(expected)
        wanted = [expected.setdefault(key, len(expected)) for key in chunk]
        found, new = table.encode(np.array(chunk, np.int64))
        assert found.tolist() == wanted
        assert [chunk[place] for place in new] == list(expected)[before:]
    assert len(table) == len(expected)


def test_the_table_grows_over_chunks_that_repeat_keys() -> None:
    table = KeyCodes()
    keys = np.arange(codes.CHUNK + 5) * 1_000_003
    first, new = table.encode(keys)
    again, none = table.encode(keys[::-1].copy())
    assert first.tolist() == new.tolist() == list(range(len(keys)))
    assert again.tolist() == first[::-1].tolist()
    assert len(none) == 0


def test_keys_of_other_checks_are_other_keys() -> None:
    found, new = KeyCodes().encode(
        np.array([7, 7, 7, 7], np.uint64), np.array([0, 2**32 - 1, 0, 1], np.uint32)
    )
    assert found.tolist() == [0, 1, 0, 2]
    assert new.tolist() == [0, 1, 3]
