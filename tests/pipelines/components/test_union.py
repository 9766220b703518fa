"""Components over integer codes, held against networkx."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.components import Components, first_of_each

EDGES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15)


def least_of(count: int, edges: list[tuple[int, int]]) -> list[int]:
    graph: Any = nx.Graph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from(edges)
    least = {node: min(group) for group in nx.connected_components(graph) for node in group}
    return [least[node] for node in range(count)]


@given(EDGES)
def test_each_node_gets_the_least_of_its_component(edges: list[tuple[int, int]]) -> None:
    a, b = np.array(edges or np.empty((0, 2)), np.int64).T
    assert first_of_each(10, a, b).tolist() == least_of(10, edges)


@given(EDGES, st.randoms(), st.integers(1, 4), st.sampled_from([np.int32, np.int64]))
def test_order_and_chunks_change_nothing(
    edges: list[tuple[int, int]], random: Any, size: int, kind: type
) -> None:
    expected = least_of(10, edges)
    random.shuffle(edges)
    graph = Components()
    for start in range(0, len(edges), size):
        a, b = np.array(edges[start : start + size], kind).T
        graph.grow(int(max(a.max(), b.max())) + 1)
        graph.unite(a, b)
        graph.first()
    graph.grow(10)
    assert graph.first().tolist() == expected


def test_no_nodes_give_no_components() -> None:
    nothing = np.empty(0, np.int64)
    assert first_of_each(0, nothing, nothing).tolist() == []


@pytest.mark.parametrize("order", ["as it is", "reversed", "shuffled"])
def test_a_long_chain_is_one_component(order: str) -> None:
    a = np.arange(99_999)
    if order == "reversed":
        a = a[::-1].copy()
    if order == "shuffled":
        np.random.default_rng(1).shuffle(a)
    assert not first_of_each(100_000, a, a + 1).any()


def test_a_code_that_is_no_node_is_told() -> None:
    graph = Components(3)
    with pytest.raises(ValueError, match=r"edge 1 joins 0 and 3, expected nodes 0 to 2"):
        graph.unite(np.array([0, 0]), np.array([1, 3]))
    with pytest.raises(ValueError, match="edge 0 joins -1 and 0"):
        graph.unite(np.array([-1]), np.array([0]))
    with pytest.raises(ValueError, match="two ends each, got 1 and 2"):
        graph.unite(np.array([0]), np.array([0, 1]))
    assert graph.first().tolist() == [0, 0, 2]


def test_importing_loads_no_compiler() -> None:
    code = (
        "import sys, networkx, pipelines.components as _; "
        "print({'numba', 'duckdb', 'pyarrow', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
