"""Who came and went between two dates: a merge is not a loss, a split is not an arrival."""

from __future__ import annotations

import pytest

from lake.store import Lake
from pipelines.audiences.compared import CAUSES, Difference, difference, told
from tests.pipelines.audiences import two_dates
from tests.pipelines.audiences.two_dates import NOW, NUMBERS, THEN, made, view


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return made(tmp_path_factory.mktemp("two") / "lake")


@pytest.fixture(scope="module")
def found(lake: Lake) -> Difference:
    with view(lake, THEN) as then, view(lake, NOW) as now:
        return difference(then, now, "high")


def rows(found: Difference, side: str) -> list[tuple[str, str, str | None]]:
    return sorted(
        (row["one_id"], row["cause"], row["other_one_id"])
        for row in getattr(found, side).to_pylist()
    )


def test_who_was_absorbed_by_a_member_has_not_gone(found: Difference) -> None:
    # `handed_on` went to `between` and with it to `stays`, over two publications.
    assert rows(found, "merged") == [
        ("absorbed", "merged", "heir"), ("handed_on", "merged", "stays"),
    ]
    assert rows(found, "merged_in") == [("heir", "merged_in", "absorbed")]


def test_who_went_is_told_from_who_is_no_person_any_more(found: Difference) -> None:
    assert rows(found, "went") == [
        ("erased", "erased", None), ("leaves", "left", None), ("lost", "merged_out", "stranger"),
        ("vanished", "vanished", None),
    ]


def test_who_came_is_new_split_off_or_was_there_before(found: Difference) -> None:
    assert rows(found, "came") == [
        ("child", "split", "parent"), ("fresh", "new", None), ("joins", "joined", None),
    ]


def test_the_counts_add_up(found: Difference) -> None:
    gone = found.stayed + found.merged.num_rows + found.went.num_rows
    assert found.members_then == gone == 8
    come = found.stayed + found.came.num_rows + found.merged_in.num_rows
    assert found.members_now == come == 6
    assert found.stayed == 2


def test_the_first_rows_are_told_with_their_cause_in_words(found: Difference) -> None:
    first, *others = told(found.went, 1)
    assert first["why"] == CAUSES["left"]
    assert first["person_no"] == NUMBERS["leaves"]
    assert not others
    assert len(told(found.went, 0)) == 4


def test_a_date_compared_with_itself_changes_nothing(lake: Lake) -> None:
    with view(lake, NOW) as then, view(lake, NOW) as now:
        same = difference(then, now, two_dates.high())
    assert (same.came.num_rows, same.went.num_rows, same.stayed) == (0, 0, 6)
