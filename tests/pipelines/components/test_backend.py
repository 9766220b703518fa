"""networkx gets from the backend what it gives itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

NODES: Any = st.sampled_from([0, 1, "a", ("b", 2), frozenset({3}), None, 2.5])
GRAPHS: Any = st.tuples(
    st.sampled_from([nx.Graph, nx.MultiGraph]),
    st.lists(NODES.filter(lambda node: node is not None), max_size=4),
    st.lists(st.tuples(NODES, NODES).filter(lambda edge: None not in edge), max_size=8),
)


def built(kind: Callable[[], Any], nodes: list[Any], edges: list[Any]) -> Any:
    graph = kind()
    graph.add_nodes_from(nodes)
    graph.add_edges_from(edges)
    return graph


@pytest.mark.filterwarnings("ignore:.*conversions to backend graphs")
@given(GRAPHS)
def test_components_come_as_networkx_gives_them(drawn: Any) -> None:
    graph = built(*drawn)
    expected = list(nx.connected_components(graph))
    assert list(nx.connected_components(graph, backend="guiyi")) == expected
    assert nx.number_connected_components(graph, backend="guiyi") == len(expected)
    for node in graph:
        assert nx.node_connected_component(
            graph, node, backend="guiyi"
        ) == nx.node_connected_component(graph, node)
    if len(graph):
        assert nx.is_connected(graph, backend="guiyi") == nx.is_connected(graph)


def test_a_graph_that_changes_is_read_again() -> None:
    graph: Any = nx.path_graph(4)
    assert nx.is_connected(graph, backend="guiyi")
    graph.remove_edge(1, 2)
    assert list(nx.connected_components(graph, backend="guiyi")) == [{0, 1}, {2, 3}]


def test_a_cut_out_view_is_read_as_it_looks() -> None:
    view: Any = nx.path_graph(5).subgraph([0, 1, 3, 4])
    assert list(nx.connected_components(view, backend="guiyi")) == [{0, 1}, {3, 4}]


def test_a_directed_graph_is_refused_as_by_networkx() -> None:
    with pytest.raises(nx.NetworkXNotImplemented, match="not implemented for directed type"):
        nx.connected_components(nx.DiGraph([(1, 2)]), backend="guiyi")


def test_the_null_graph_is_neither_connected_nor_not() -> None:
    with pytest.raises(nx.NetworkXPointlessConcept, match="undefined for the null graph"):
        nx.is_connected(nx.Graph(), backend="guiyi")


def test_a_node_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        nx.node_connected_component(nx.path_graph(2), 7, backend="guiyi")


def test_what_the_backend_lacks_is_told_by_networkx() -> None:
    with pytest.raises(NotImplementedError, match="not implemented by 'guiyi' backend"):
        nx.degree_centrality(nx.path_graph(2), backend="guiyi")
