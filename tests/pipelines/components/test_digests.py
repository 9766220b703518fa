"""Hashes of Arrow strings are those of the standard library and of the domain."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from domain.identifiers import identifier_key
from pipelines.components.digests import fingerprints, identifier_keys, one_ids, strings

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=140)
ROWS = st.lists(st.tuples(TEXTS, TEXTS), max_size=40)


def columns(rows: list[tuple[str, str]]) -> tuple[pa.DictionaryArray, pa.StringArray]:
    types, values = zip(*rows, strict=True) if rows else ((), ())
    return pa.array(types, pa.string()).dictionary_encode(), pa.array(values, pa.string())


@given(ROWS)
def test_keys_are_those_of_the_domain(rows: list[tuple[str, str]]) -> None:
    assert identifier_keys(*columns(rows)).tolist() == [
        identifier_key(type, value, b"") for type, value in rows
    ]


def test_every_length_around_the_ends_of_blocks_is_hashed_right() -> None:
    rows = [("t", "x" * size) for size in range(200)]
    assert identifier_keys(*columns(rows)).tolist() == [identifier_key(*row, b"") for row in rows]


@given(ROWS, st.integers(0, 5))
def test_a_slice_hashes_like_a_copy(rows: list[tuple[str, str]], start: int) -> None:
    types, values = columns([("t", "before"), *rows])
    copied = columns([("t", "before"), *rows][start:])
    assert np.array_equal(identifier_keys(types[start:], values[start:]), identifier_keys(*copied))
    found, expected = fingerprints(types[start:], values[start:]), fingerprints(*copied)
    assert np.array_equal(found[0], expected[0])
    assert np.array_equal(found[1], expected[1])


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=60, unique=True))
def test_fingerprints_tell_identifiers_apart(rows: list[tuple[str, str]]) -> None:
    keys, checks = fingerprints(*columns(rows))
    assert len(set(zip(keys.tolist(), checks.tolist(), strict=True))) == len(rows)


def test_type_and_value_cannot_change_places() -> None:
    keys, _ = fingerprints(*columns([("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", "")]))
    assert len(set(keys.tolist())) == 4


def test_a_person_is_named_by_the_hash_of_its_key() -> None:
    keys = [0, 7, 2**63 - 1]
    expected = ["p" + hashlib.sha256(str(key).encode()).hexdigest()[:24] for key in keys]
    assert strings(one_ids(np.array(keys))).to_pylist() == expected
