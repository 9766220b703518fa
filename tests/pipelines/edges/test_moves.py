"""Moves are enough: a store that applies them holds what the new result says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.edges import resolve_to
from schemas.errors import InputError
from tests.pipelines.edges.made import PHONE, crowd, edges, met

Store = dict[tuple[str, str, int], str]


def store(folder: Path) -> Store:
    rows = pq.read_table(folder / "tenures.parquet").to_pylist()
    return {
        (row["type"], row["value"], row["tenure"]): row["one_id"]
        for row in rows
        if row["one_id"] is not None
    }


def apply(kept: Store, folder: Path) -> Store:
    kept = dict(kept)
    for row in pq.read_table(folder / "moves.parquet").to_pylist():
        key = (row["type"], row["value"], row["tenure"])
        assert kept.get(key) == row["one_id_from"]
        kept.pop(key, None)
        if row["one_id_to"] is not None:
            kept[key] = row["one_id_to"]
    return kept


def run(table: pa.Table, folder: Path, name: str, **options: Any) -> Path:
    path = folder / f"{name}.parquet"
    pq.write_table(table, path)
    resolve_to(path, folder / name, **options)
    return folder / name


@pytest.mark.parametrize("seed", range(2))
def test_moves_carry_an_earlier_result_over_to_the_new_one(tmp_path: Path, seed: int) -> None:
    table = crowd(seed)
    half = run(table.slice(0, len(table) // 2), tmp_path, "half")
    assert apply({}, half) == store(half)
    whole = run(table, tmp_path, "whole", previous=half)
    assert apply(store(half), whole) == store(whole)
    plain = run(table, tmp_path, "plain", rules="none", previous=whole)
    assert apply(store(whole), plain) == store(plain)
    back = run(table, tmp_path, "back", previous=plain)
    assert apply(store(plain), back) == store(back) == store(whole)


def test_the_same_edges_again_move_nothing_even_onto_themselves(tmp_path: Path) -> None:
    out = run(crowd(3), tmp_path, "out")
    resolve_to(tmp_path / "out.parquet", out, previous=out)
    assert pq.read_table(out / "moves.parquet").num_rows == 0


def test_a_move_says_its_cause(tmp_path: Path) -> None:
    two = edges([("user_id", "u1", "phone", PHONE), ("email", "a@b.cn", "device_id", "d")])
    joined = edges([*map(tuple, (one.values() for one in two.to_pylist())),
                    ("user_id", "u1", "device_id", "d")])  # fmt: skip
    first = run(two, tmp_path, "first")
    second = run(joined, tmp_path, "second", previous=first)
    assert causes(first) == {"evidence"}
    assert causes(second) == {"merge"}
    assert causes(run(two, tmp_path, "third", previous=second)) == {"split"}
    block = [{"kind": "block", "a": "device_id:d"}]
    assert "decision" in causes(run(joined, tmp_path, "fourth", previous=second, decisions=block))
    shared = [met("user_id:u1", f"phone:{PHONE}", 0, 9), met("user_id:u2", f"phone:{PHONE}", 5, 9)]
    dated = edges(shared, "first_seen", "last_seen")
    assert "screen" in causes(run(dated, tmp_path, "fifth", previous=first))


def causes(folder: Path) -> set[str]:
    return set(pq.read_table(folder / "moves.parquet")["cause"].to_pylist())


def test_what_is_no_whole_earlier_result_is_refused(tmp_path: Path) -> None:
    table = crowd(1)
    out = run(table, tmp_path, "out")
    (out / "tenures.parquet").unlink()
    with pytest.raises(InputError, match=r"no tenures\.parquet"):
        run(table, tmp_path, "next", previous=out)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no manifest\.json"):
        run(table, tmp_path, "next", previous=tmp_path / "empty")
