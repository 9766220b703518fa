"""A person as a networkx graph: identifiers are nodes, evidence stands on the edges."""

from __future__ import annotations

from typing import Any

import networkx as nx

from lake.engines.duckdb import Session
from pipelines.identity import neighbourhood
from schemas.errors import NotFoundError

Node = tuple[int, int]
"""(identifier_key, tenure)."""


def person_graph(session: Session, one_id: str, *, is_clear: bool = False) -> nx.Graph[Node]:
    """The identifiers of a person and the accepted links between them.

    Nodes are (identifier_key, tenure) with ``type``, ``value`` (masked unless ``is_clear``),
    ``first_at``, ``last_at`` and ``count_sightings``; edges carry ``first_on``, ``last_on``,
    ``count_days``, ``count_events``, ``received_at``, ``source`` and ``event_id``.
    """
    person = neighbourhood.person(session, one_id)
    graph: nx.Graph[Node] = nx.Graph(**person)
    for row in neighbourhood.identifiers(session, one_id, is_clear=is_clear):
        graph.add_node((row.pop("identifier_key"), row.pop("tenure")), **row)
    for row in neighbourhood.links(session, one_id):
        a = (row.pop("identifier_key_a"), row.pop("tenure_a"))
        b = (row.pop("identifier_key_b"), row.pop("tenure_b"))
        if row["status"] == "accepted":
            graph.add_edge(a, b, **row)
    return graph


def node_of(graph: nx.Graph[Node], type: str, value: str) -> Node:
    """The node with this type and value, as the graph shows it; NotFoundError names those there."""
    for node, shown in sorted(graph.nodes(data=True)):
        if (shown["type"], shown["value"]) == (type, value):
            return (node[0], node[1])
    here = sorted(f"{shown['type']} {shown['value']}" for _, shown in graph.nodes(data=True))
    raise NotFoundError(
        "this person holds no such identifier",
        expected="one of " + ", ".join(here),
        got=f"{type} {value}",
        todo="name it as the graph shows it: masked, unless the graph was made clear",
    )


def path_between(graph: nx.Graph[Node], a: Node, b: Node) -> list[dict[str, Any]]:
    """The shortest chain of evidence from ``a`` to ``b``: one row per link, in order.

    Each row is the link's evidence with ``from`` and ``to`` (type and value). Of equally short
    chains the one with the least nodes in order is given. NotFoundError where none is known.
    """
    try:
        nodes = min(nx.all_shortest_paths(graph, a, b))
    except (nx.NetworkXNoPath, nx.NodeNotFound) as error:
        raise NotFoundError(
            "no chain of evidence joins these two",
            expected="two identifiers of one person",
            got=f"{a} and {b}",
        ) from error
    return [
        {"from": _label(graph, one), "to": _label(graph, other), **graph.edges[one, other]}
        for one, other in zip(nodes, nodes[1:], strict=False)
    ]


def _label(graph: nx.Graph[Node], node: Node) -> str:
    return f"{graph.nodes[node]['type']} {graph.nodes[node]['value']}"
