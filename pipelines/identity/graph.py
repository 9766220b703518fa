"""Persons as a networkx graph: stays of identifiers are nodes, evidence stands on the edges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import networkx as nx

from lake.engines.duckdb import Session
from pipelines.identity import neighbourhood, sighted
from pipelines.identity.evidence import working
from pipelines.identity.sighted import UNSEEN, Node, Row
from schemas.errors import NotFoundError

UNITES_NOTHING = ("shared", "hub", "blocked")


def surroundings(
    session: Session, stays: Iterable[Node], *, is_clear: bool = False
) -> nx.Graph[Node]:
    """The stays, what they are linked to, and what was seen beside them but unites nothing.

    Nodes are (identifier_key, tenure) with the columns of ``tenures``, ``value`` (masked unless
    ``is_clear``), ``is_asked``, of a screened one ``rule`` and ``count_partners``, and of a stay
    asked about its tally: first_on, last_on, count_days, count_events, ``sources``. Edges have a
    ``status``: accepted or refused (with the columns of ``links``), handover (between successive
    stays of one identifier; ``on`` is the first day of the later), or shared, hub, blocked; all
    but handovers have the tally of the events that show both.
    """
    asked = sorted(set(stays))
    with working(session):
        sighted.ask(session, asked)
        tallies = sighted.of_stays(session)
        links = neighbourhood.links(session)
        pairs = sighted.of_pairs(session)
    ends = {end for row in links for end in _ends(row)}
    near = ends | {other for _, other in pairs} | set(asked)
    found = neighbourhood.stays(session, {key for key, _ in near}, is_clear=is_clear)
    graph: nx.Graph[Node] = nx.Graph()
    keys = {key for key, _ in asked}
    for row in found:
        node = (row["identifier_key"], row["tenure"])
        if node in near or node[0] in keys:
            is_asked = node in tallies
            graph.add_node(node, **row, is_asked=is_asked, **tallies.get(node, UNSEEN))
    _add_edges(graph, links, pairs)
    return graph


def _ends(link: Row) -> tuple[Node, Node]:
    return (
        (link["identifier_key_a"], link["tenure_a"]),
        (link["identifier_key_b"], link["tenure_b"]),
    )


def _add_edges(
    graph: nx.Graph[Node], links: list[Row], pairs: dict[tuple[Node, Node], Row]
) -> None:
    for one, other in pairwise(sorted(graph)):
        if one[0] == other[0]:
            border = graph.nodes[other]["valid_from"]
            graph.add_edge(one, other, status="handover", on=border)
    for (one, other), tally in pairs.items():
        if graph.nodes[other]["kind"] in UNITES_NOTHING:
            graph.add_edge(one, other, status=graph.nodes[other]["kind"], **tally)
    for row in links:
        a, b = _ends(row)
        graph.add_edge(a, b, **row, **(pairs.get((a, b)) or pairs.get((b, a)) or UNSEEN))


def person_graph(session: Session, one_id: str, *, is_clear: bool = False) -> nx.Graph[Node]:
    """The stays of which a person is the holder, and the accepted links between them.

    The attributes are those of ``surroundings``; the graph has those of the row of ``persons``.
    """
    person = neighbourhood.person(session, one_id)
    around = surroundings(session, neighbourhood.held(session, [one_id]), is_clear=is_clear)
    graph: nx.Graph[Node] = nx.Graph(**person)
    graph.add_nodes_from((n, row) for n, row in around.nodes(data=True) if row["one_id"] == one_id)
    graph.add_edges_from(
        (a, b, row)
        for a, b, row in around.edges(data=True)
        if row["status"] == "accepted" and a in graph and b in graph
    )
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


def path_between(
    graph: nx.Graph[Node], a: Node, b: Node, classes: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """The shortest chain of evidence from ``a`` to ``b``: one row per edge, in order.

    Each row is the edge's evidence with ``from`` and ``to`` (type and value) and their nodes as
    ``from_node``, ``to_node``. As few edges as can be that join nothing, then as few as can be at
    all, then those whose ``evidence`` stands first in ``classes``. NotFoundError where none leads.
    """
    order = {name: place for place, name in enumerate(classes, 1)} | {"decision": 0}
    last = len(order)

    def cost(_a: Node, _b: Node, row: Row) -> int:
        return obstruction(row) + 1_000 + order.get(row.get("evidence", ""), last)

    try:
        nodes = nx.shortest_path(graph, a, b, weight=cost)
    except (nx.NetworkXNoPath, nx.NodeNotFound) as error:
        raise NotFoundError(
            "no chain of evidence joins these two",
            expected="two identifiers of one person",
            got=f"{a} and {b}",
        ) from error
    return [step(graph, one, other) for one, other in pairwise(nodes)]


def obstruction(row: Row) -> int:
    """How much an edge keeps apart: 0 of an accepted link, most of what is screened."""
    return _COST.get(row["status"], 0)


# What joins nothing costs more than any chain that does; two edges lead through what is shared or
# screened, one through a refusal or a handover.
_COST = {
    "refused": 10**9, "handover": 10**9, "shared": 10**9 // 2,
    "hub": 10**12, "blocked": 10**12,
}  # fmt: skip


def step(graph: nx.Graph[Node], one: Node, other: Node) -> Row:
    """The edge between two nodes as a row, with ``from``, ``to``, ``from_node``, ``to_node``."""
    return {
        "from": label(graph, one), "to": label(graph, other),
        "from_node": one, "to_node": other, **graph.edges[one, other],
    }  # fmt: skip


def label(graph: nx.Graph[Node], node: Node) -> str:
    """Type and value of a node."""
    return f"{graph.nodes[node]['type']} {graph.nodes[node]['value']}"
