"""Bitmaps and slices against a plain evaluation, person by person."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap

from lake.packs import packed
from pipelines.tags.published import bitmaps, slices
from pipelines.tags.published.bitmaps import TagBits, bits_of, read_bits
from pipelines.tags.published.coded import coded
from pipelines.tags.published.containers import of_flags, of_sorted, stored
from schemas.errors import UsageError
from schemas.rules import Comparison
from schemas.tag_definitions import Type

ARROW: dict[str, pa.DataType] = {
    "boolean": pa.bool_(), "integer": pa.int64(), "number": pa.float64(), "text": pa.string(),
    "date": pa.date32(), "texts": pa.list_(pa.string()),
}
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-40, 40) | st.integers(-(2**63), 2**63 - 1),
    "number": st.integers(-40, 40).map(lambda n: n / 4) | st.floats(allow_nan=False),
    "text": st.text(max_size=3),
    "date": st.dates(date(1969, 12, 1), date(1970, 2, 1)),
    "texts": st.lists(st.sampled_from(["茶", "coffee", "", "tea"]), max_size=4),
}
ORDERED = ("<", "<=", ">", ">=", "between", "notBetween", "=", "!=", "in", "notIn")


def bits(kind: Any, column: list[Any], numbers: list[int] | None = None) -> TagBits:
    given_numbers = np.array(range(len(column)) if numbers is None else numbers, dtype=np.int64)
    width = int(given_numbers.max(initial=-1)) + 1
    return bits_of("t", coded(kind, pa.array(column, ARROW[kind]), given_numbers, width))


def is_in(value: Any, operator: str, asked: Any) -> bool:
    """What SQL says; an unknown value is in nothing."""
    if value is None:
        return False
    if isinstance(value, list):
        listed = asked if isinstance(asked, list) else [asked]
        return bool(set(value) & set(listed)) == (operator in ("=", "in"))
    low, high = asked if operator.endswith("etween") else (None, None)
    return bool({
        "=": lambda: value == asked, "!=": lambda: value != asked,
        "<": lambda: value < asked, "<=": lambda: value <= asked,
        ">": lambda: value > asked, ">=": lambda: value >= asked,
        "in": lambda: value in asked, "notIn": lambda: value not in asked,
        "between": lambda: low <= value <= high,
        "notBetween": lambda: not low <= value <= high,
    }[operator]())


@st.composite
def questions(draw: st.DrawFn) -> tuple[Type, list[Any], str, Any, Any]:
    """A type, a column with unknowns, an operator, a value as asked and as compared."""
    kind = draw(st.sampled_from(sorted(VALUES)))
    column = draw(st.lists(st.none() | VALUES[kind], max_size=40))
    operators = ORDERED if kind not in ("boolean", "texts") else ("=", "!=", "in", "notIn")
    operator = draw(st.sampled_from(operators))
    one = VALUES["text"] if kind == "texts" else VALUES[kind]
    known = [v for v in column if v is not None and v != []]
    if known:
        flat = [v for vs in known for v in vs] if kind == "texts" else known
        one = one | st.sampled_from(flat)
    if operator in ("in", "notIn", "between", "notBetween"):
        size = 2 if operator.endswith("etween") else draw(st.integers(1, 3))
        compared = [draw(one) for _ in range(size)]
        asked = [str(v) for v in compared] if kind == "date" else compared
    else:
        compared = draw(one)
        asked = str(compared) if kind == "date" else compared
    return kind, column, operator, asked, compared  # type: ignore[return-value]


@pytest.mark.parametrize("is_sliced", [False, True])
@given(question=questions())
def test_a_comparison_finds_whom_a_plain_look_finds(
    is_sliced: bool, question: tuple[Any, list[Any], str, Any, Any]
) -> None:
    kind, column, operator, asked, compared = question
    with pytest.MonkeyPatch.context() as patch:
        if is_sliced and kind != "texts":
            patch.setitem(bitmaps.FEW, kind, 0)
        found = bits(kind, column).where(Comparison(operator, asked))
    assert found == BitMap(n for n, v in enumerate(column) if is_in(v, operator, compared))


@given(question=questions())
def test_known_are_those_with_a_value(question: tuple[Any, list[Any], str, Any, Any]) -> None:
    kind, column, *_ = question
    known = BitMap(n for n, v in enumerate(column) if v is not None)
    assert bits(kind, column).known() == known
    assert bits(kind, column).where(Comparison("notNull")) == known


def test_a_number_may_be_compared_with_one_of_another_type() -> None:
    assert bits("integer", [1, 2, 3]).where(Comparison(">", 1.5)) == BitMap([1, 2])
    assert bits("number", [1.5, 2.5]).where(Comparison("<=", 2)) == BitMap([0])
    big = bits("integer", [2**53, 2**53 + 1])
    assert big.where(Comparison("=", 2**53 + 1)) == BitMap([1])


def test_an_upside_down_between_is_empty_and_its_opposite_is_everyone_known() -> None:
    for column in ([1, 2, 3, None], [*range(100), None]):
        tag = bits("integer", column)
        assert tag.where(Comparison("between", [3, 1])) == BitMap()
        assert tag.where(Comparison("notBetween", [3, 1])) == tag.known()


def test_what_is_no_number_is_above_all_numbers_as_in_sql() -> None:
    tag = bits("number", [float("nan"), 1.0, float("inf"), None, float("nan")])
    assert tag.where(Comparison(">", 1)) == BitMap([0, 2, 4])
    assert tag.where(Comparison("<=", 1)) == BitMap([1])


def test_minus_zero_is_zero() -> None:
    assert bits("number", [-0.0, 0.0]).where(Comparison("=", 0)) == BitMap([0, 1])


def test_person_numbers_may_leave_gaps_and_come_in_any_order() -> None:
    numbers = [200_000, 3, 70_000]
    for column in ([5, -5, 5], ["b", "a", "b"]):
        tag = bits("integer" if column[0] == 5 else "text", column, numbers)
        assert tag.where(Comparison("=", column[0])) == BitMap([70_000, 200_000])


@pytest.mark.parametrize("kind", sorted(ARROW))
def test_nobody_and_nothing_known_are_empty(kind: Any) -> None:
    asked = {"boolean": True, "integer": 1, "number": 1, "date": "2017-06-30"}.get(kind, "x")
    for column in ([], [None, None]):
        tag = bits(kind, column)
        assert tag.known() == BitMap()
        for operator in ("=", "!=", "in", "notIn"):
            value = [asked] if operator in ("in", "notIn") else asked
            assert tag.where(Comparison(operator, value)) == BitMap()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("integer", "3"), ("integer", True), ("boolean", 1), ("text", 3), ("date", "30.6.2017"),
        ("date", 17), ("integer", None),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(UsageError, match=f"a value of type {kind}"):
        bits(kind, []).where(Comparison("=", value))


@given(question=questions())
def test_no_question_changes_what_is_held(question: tuple[Any, list[Any], str, Any, Any]) -> None:
    kind, column, operator, asked, _ = question
    for few in (0, 100) if kind != "texts" else (100,):
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(bitmaps.FEW, kind, few)
            tag, fresh = bits(kind, column), bits(kind, column)
        tag.where(Comparison(operator, asked))  # type: ignore[arg-type]
        count = (len(tag.values) - 1).bit_length() if tag.form == "slices" else len(tag.values)
        for name in ("known", *map(str, range(count if len(tag.values) else 0))):
            assert tag.bitmap(name) == fresh.bitmap(name)


def test_many_values_are_sliced_in_as_few_bitmaps_as_their_count_allows() -> None:
    column = [n * 1_000_003 - 5 * 10**9 for n in range(1_000)]
    made = coded("integer", pa.array(column), np.arange(1_000), 1_000)
    assert bitmaps.form_of(made) == "slices"
    assert set(bitmaps.blobs(made)) == {"known", "values", *map(str, range(10))}


@given(st.lists(st.integers(0, 200_000), unique=True), st.integers(0, 9))
def test_bitmaps_made_of_flags_hold_the_numbers(numbers: list[int], repeated: int) -> None:
    dense = {n + 65_536 * repeated for n in range(repeated * 1_000)}
    wanted = np.array(sorted({*numbers, *dense}), dtype=np.int64)
    width = 65_536 * 20
    flags = np.zeros(int(wanted.max(initial=-1)) + 1, dtype=bool)
    flags[wanted] = True
    assert list(of_flags(flags)) == wanted.tolist()
    assert of_sorted(wanted, width) == BitMap(wanted.tolist())
    assert BitMap.deserialize(stored(of_flags(flags))) == BitMap(wanted.tolist())


@pytest.mark.parametrize("size", [4_095, 4_096, 4_097, 65_535, 65_536])
def test_a_container_at_its_border_is_written_in_its_own_form(size: int) -> None:
    flags = np.zeros(65_536, dtype=bool)
    flags[:size] = True
    assert of_flags(flags) == BitMap(range(size))


@given(st.lists(st.none() | st.integers(0, 37)), st.integers(-2, 70))
def test_slices_compare_ranks_they_do_not_hold_too(ranks: list[int | None], asked: int) -> None:
    codes = np.array([0 if rank is None else rank + 1 for rank in ranks], dtype=np.uint32)
    made, known = slices.sliced(codes, 38), of_flags(codes > 0)
    below = [n for n, rank in enumerate(ranks) if rank is not None and rank < asked]
    same = [n for n, rank in enumerate(ranks) if rank is not None and rank == asked]
    assert list(slices.below(made, known, asked)) == below
    assert list(slices.equal(made, known, asked)) == same


def test_the_same_column_in_any_order_gives_the_same_bytes() -> None:
    values, numbers = [3, None, -1, 7, 7], [4, 2, 0, 9, 1]
    first = coded("integer", pa.array(values), np.array(numbers), 10)
    turned = coded("integer", pa.array(values[::-1]), np.array(numbers[::-1]), 10)
    assert packed({}, bitmaps.blobs(first)) == packed({}, bitmaps.blobs(turned))


def test_a_column_read_back_answers_alike() -> None:
    for kind, column, asked in (
        ("text", ["北京", None, "上海", "北京"], "北京"), ("integer", [*range(50)], 20),
        ("number", [n / 8 for n in range(50)], 2.5), ("date", [date(2017, 6, n) for n in
         range(1, 31)], "2017-06-15"), ("texts", [["a", "b"], [], None, ["b"]], "b"),
    ):
        array, size = pa.array(column, ARROW[kind]), len(column)  # type: ignore[index]
        made = coded(kind, array, np.arange(size), size)  # type: ignore[arg-type]
        held = bitmaps.blobs(made)
        read = read_bits("t", bitmaps.about(made), held.__getitem__)
        for operator in ("=", "!=") if kind == "texts" else ("=", "<", ">="):
            test = Comparison(operator, asked)  # type: ignore[arg-type]
            assert read.where(test) == bits(kind, column).where(test)
        assert len(read.known()) == made.count_known
