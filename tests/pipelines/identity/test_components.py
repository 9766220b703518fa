from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.identity.components import first_of_each

EDGES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=15)


@given(EDGES)
def test_each_node_gets_the_least_of_its_component(edges: list[tuple[int, int]]) -> None:
    graph: Any = nx.Graph()
    graph.add_nodes_from(range(10))
    graph.add_edges_from(edges)
    least = {node: min(group) for group in nx.connected_components(graph) for node in group}
    a, b = np.array(edges or np.empty((0, 2)), np.int64).T
    assert first_of_each(10, a, b).tolist() == [least[node] for node in range(10)]


def test_no_nodes_give_no_components() -> None:
    nothing = np.empty(0, np.int64)
    assert first_of_each(0, nothing, nothing).tolist() == []
