from __future__ import annotations

import pyarrow as pa
import pytest

from pipelines.fuzzy.quality import Quality, measure

TRUTH = {("r", "1"): "x", ("r", "2"): "x", ("r", "3"): "x", ("r", "4"): "y"}


def edges(*pairs: str) -> pa.Table:
    rows = [
        {"type_a": "r", "value_a": pair[0], "type_b": "r", "value_b": pair[1]} for pair in pairs
    ]
    text = pa.string()
    names = ("type_a", "value_a", "type_b", "value_b")
    return pa.Table.from_pylist(rows, pa.schema([(name, text) for name in names]))


def test_a_chain_of_two_edges_is_three_pairs_after_clustering() -> None:
    pairs, clusters = measure(edges("12", "23"), TRUTH)
    assert pairs == Quality(3, 2, 2)
    assert clusters == Quality(3, 3, 3)
    assert pairs.recall == pytest.approx(2 / 3)
    assert pairs.f1 == pytest.approx(0.8)


def test_one_wrong_edge_costs_clusters_more_than_pairs() -> None:
    pairs, clusters = measure(edges("12", "23", "34"), TRUTH)
    assert pairs.precision == pytest.approx(2 / 3)
    assert clusters.precision == 0.5


def test_no_edge_is_precise_and_finds_nothing() -> None:
    pairs, _ = measure(edges(), TRUTH)
    assert (pairs.precision, pairs.recall, pairs.f1) == (1.0, 0.0, 0.0)
