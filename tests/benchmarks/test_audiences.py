"""The benchmark of audiences holds both sides to one answer, and gives figures in the agreed shape.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks import _audiences_rivals as rivals
from benchmarks import _audiences_world as world
from benchmarks import audiences


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("audiences")


def by_duckdb(folder: Path) -> dict[str, Any]:
    ask = rivals.duckdb(world.files(folder))
    return {name: {"answer": ask(query)} for name, query in audiences.queries().items()}


def test_ours_and_sql_by_hand_give_one_answer(folder: Path) -> None:
    made = audiences.run_make(folder, 5_000)
    assert set(made) == {"parquet_s", "bitmaps_s", "parquet_mb", "bitmaps_mb"}
    ours, rival = audiences.run_ours(folder, 1), by_duckdb(folder)
    audiences.require_same(ours, rival)
    assert set(ours) == set(audiences.queries())
    assert ours["by_range"]["answer"] > 0
    rival["coffee"]["answer"] = [[0]]
    with pytest.raises(RuntimeError, match="the answers to coffee differ"):
        audiences.require_same(ours, rival)


def test_rows_have_the_agreed_shape() -> None:
    row = audiences._row("what", 2.0, 20.0, "another", "ms", 10.0, 7.6)
    assert list(row) == [
        "what", "ours", "rival", "rival_name", "unit", "ratio", "bar", "holds", "peak_mb"
    ]
    assert (row["ratio"], row["holds"], row["peak_mb"]) == (10.0, True, 8)
