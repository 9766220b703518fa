"""Planted faults are found, and a result that does not prove itself is not written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.edges import resolve, resolve_to
from pipelines.edges.graph import Graph
from pipelines.edges.proof import is_same_partition
from schemas.errors import QualityError
from tests.pipelines.edges.made import PHONE, edges

TWO_USERS = edges([("user_id", "u1", "loyalty", "L"), ("user_id", "u2", "loyalty", "L")])
SHARED = edges([("user_id", "u1", "phone", PHONE), ("user_id", "u2", "phone", PHONE)])
APART = edges([("hat", "1", "shoe", "1"), ("hat", "2", "shoe", "2")])


def fails(table: pa.Table, folder: Path, claim: str) -> None:
    pq.write_table(table, folder / "edges.parquet")
    with pytest.raises(QualityError, match=f"nothing was written(.|\n)*{claim}") as raised:
        resolve_to(folder / "edges.parquet", folder / "out")
    assert raised.value.exit_code == 3
    assert [path.name for path in folder.iterdir()] == ["edges.parquet"]


def nothing_contested(graph: Graph, *_: object) -> Any:
    return np.zeros(len(graph.keys), np.bool_)


def one_person(graph: Graph, *_: object) -> Any:
    return np.zeros(len(graph.keys), np.int32)


def everybody_alone(graph: Graph, *_: object) -> Any:
    return np.arange(len(graph.keys), dtype=np.int32)


@pytest.mark.parametrize(
    ("table", "claim"),
    [(TWO_USERS, "a person has at most 1 user_id"), (SHARED, "a phone has one user_id")],
)
def test_what_should_have_been_weighed_is_found(
    table: pa.Table, claim: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "contested", nothing_contested)
    rules = "at most 1 user_id" if table is SHARED else claim
    fails(table, tmp_path, f"({claim}|{rules})")


@pytest.mark.parametrize("labels", [one_person, everybody_alone])
def test_persons_that_pairs_do_not_join_are_found(
    labels: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolve, "components", labels)
    fails(APART, tmp_path, "a person is what its pairs join")


def test_two_labellings_are_compared_as_partitions() -> None:
    one = np.array([5, 5, 2, 2], np.int32)
    assert is_same_partition(one, np.array([0, 0, 1, 1], np.int32))
    assert not is_same_partition(one, np.array([0, 0, 0, 0], np.int32))
    assert not is_same_partition(one, np.array([0, 1, 2, 2], np.int32))
