"""networkx's connected components by the compiled kernel, as its backend "guiyi".

networkx finds ``Backend`` by its entry point and loads it when it is first asked for:
``nx.connected_components(graph, backend="guiyi")``.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from itertools import chain
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt

from pipelines.components.union import first_of_each

Node = Hashable


class CodedGraph:
    """An undirected graph as networkx's nodes in their order and edges over their codes."""

    __networkx_backend__ = "guiyi"

    def __init__(self, source: Any) -> None:
        self.source = source
        self.nodes: list[Node] = list(source)
        self.code = {node: code for code, node in enumerate(self.nodes)}
        # Each edge stands at both of its ends, once as (a, b) and once as (b, a).
        both = chain.from_iterable(source._adj[node] for node in self.nodes)
        sizes = [len(source._adj[node]) for node in self.nodes]
        b = np.fromiter((self.code[node] for node in both), np.int64, sum(sizes))
        a = np.repeat(np.arange(len(self.nodes)), np.array(sizes, np.int64))
        self.first: npt.NDArray[np.int64] = first_of_each(len(self.nodes), a, b)

    def is_directed(self) -> bool:
        """False: networkx refuses directed graphs before it asks a backend."""
        return False

    def is_multigraph(self) -> bool:
        """As the source."""
        return bool(self.source.is_multigraph())

    def groups(self) -> Iterator[set[Node]]:
        """The components, in the order of their first nodes, as networkx gives them."""
        order = np.argsort(self.first, kind="stable")
        starts = np.flatnonzero(np.diff(self.first[order], prepend=-1))
        for codes in np.split(order, starts[1:]) if self.nodes else []:
            yield {self.nodes[code] for code in codes}

    def count_groups(self) -> int:
        """How many components there are."""
        return int(np.count_nonzero(self.first == np.arange(len(self.first))))


class Backend:
    """What networkx dispatches to; results and errors are networkx's own."""

    @staticmethod
    def convert_from_nx(graph: Any, **_: object) -> CodedGraph:
        """``graph`` for this backend; its attributes are not needed."""
        return graph if isinstance(graph, CodedGraph) else CodedGraph(graph)

    @staticmethod
    def convert_to_nx(result: Any, **_: object) -> Any:
        """A graph or a result for networkx."""
        return result.source if isinstance(result, CodedGraph) else result

    @staticmethod
    def can_run(name: str, args: Any, kwargs: Any) -> bool:
        """Whether ``name`` is one of the four functions of undirected graphs."""
        return hasattr(Backend, name)

    @staticmethod
    def connected_components(graph: CodedGraph) -> Iterator[set[Node]]:
        """The components as sets of nodes."""
        return graph.groups()

    @staticmethod
    def number_connected_components(graph: CodedGraph) -> int:
        """How many components there are."""
        return graph.count_groups()

    @staticmethod
    def is_connected(graph: CodedGraph) -> bool:
        """Whether there is one component; NetworkXPointlessConcept for a graph without nodes."""
        if not graph.nodes:
            raise nx.NetworkXPointlessConcept("Connectivity is undefined for the null graph.")
        return graph.count_groups() == 1

    @staticmethod
    def node_connected_component(graph: CodedGraph, n: Node) -> set[Node]:
        """The component of node ``n``; KeyError where there is no such node."""
        members = np.flatnonzero(graph.first == graph.first[graph.code[n]])
        return {graph.nodes[code] for code in members}
