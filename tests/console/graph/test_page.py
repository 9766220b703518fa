"""The drawn graph: one page that needs nothing, with every identifier and its evidence."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import networkx as nx
import pytest

from console.graph import page
from console.graph.layout import WIDTH, places
from console.graph.page import MOST

AT = datetime(2017, 1, 1)


def stay(key: int, kind: str = "sole", **fields: Any) -> dict[str, Any]:
    return {
        "identifier_key": key, "tenure": 0, "type": "phone", "value": f"v****{key}", "kind": kind,
        "one_id": "p1" if kind in ("sole", "handover") else None, "valid_from": None,
        "valid_to": None, "is_asked": True, "rule": None, "count_partners": None, "first_on": AT,
        "last_on": AT, "count_days": 1, "count_events": 2,
        "sources": [{"source": "app", "count_events": 2}],
    } | fields  # fmt: skip


def edge(status: str, **fields: Any) -> dict[str, Any]:
    tally = {name: stay(0)[name] for name in ("first_on", "last_on", "count_days", "count_events",
                                              "sources")}  # fmt: skip
    return tally | {
        "status": status, "rule": None, "evidence": "seen together", "source": "app",
        "event_id": "e1",
    } | fields  # fmt: skip


@pytest.fixture
def graph() -> nx.Graph:
    drawn = nx.Graph()
    drawn.add_node((0, 0), **stay(0))
    drawn.add_node((1, 0), **stay(1, type="user_id", value="<script>"))
    drawn.add_node((2, 0), **stay(2, one_id="p2"))
    drawn.add_node((3, 0), **stay(3, "hub", rule="phone: at most 4", count_partners=9))
    drawn.add_node((0, 1), **stay(0, "handover", tenure=1, one_id="p2"))
    drawn.add_edge((0, 0), (1, 0), **edge("accepted"))
    drawn.add_edge((1, 0), (2, 0), **edge("refused", rule="user_id: at most 1"))
    drawn.add_edge((1, 0), (3, 0), **edge("hub"))
    drawn.add_edge((0, 0), (0, 1), status="handover", on=AT.date())
    return drawn


def test_a_page_draws_each_identifier_and_each_edge_with_its_evidence(graph: nx.Graph) -> None:
    text = page(graph, "Person 1", ["born"], [((0, 0), (1, 0))])
    assert text.count("<circle") == 5
    assert text.count('class="edge') == 4
    assert '<g class="edge accepted way">' in text
    assert re.search(r'class="edge refused">.*?user_id: at most 1</text>', text, re.S)
    assert "from 2017-01-01</text>" in text
    assert "a hub (phone: at most 4; it has 9)" in text
    assert "seen together, 2 events on 1 day" in text


def test_a_page_needs_nothing_from_outside_and_runs_nothing(graph: nx.Graph) -> None:
    text = page(graph, "Person 1", [])
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"(src|href)=|url\(|@import|https?:", text)


def test_the_same_graph_in_any_order_is_drawn_the_same(graph: nx.Graph) -> None:
    turned = nx.Graph()
    turned.add_nodes_from(reversed(list(graph.nodes(data=True))))
    turned.add_edges_from(reversed(list(graph.edges(data=True))))
    assert page(turned, "x", []) == page(graph, "x", [])


def test_of_a_large_graph_the_nearest_to_the_way_are_drawn() -> None:
    chain = nx.Graph()
    for key in range(MOST + 30):
        chain.add_node((key, 0), **stay(key))
        if key:
            chain.add_edge((key - 1, 0), (key, 0), **edge("accepted"))
    text = page(chain, "x", [], [((0, 0), (1, 0))])
    assert text.count("<circle") == MOST
    assert "30 identifiers farther away are not drawn" in text
    assert text.count("<tr>") == 2 + (MOST + 30) + (MOST + 29), "the tables hold all"


def test_places_are_within_the_picture_and_start_at_the_left() -> None:
    chain = nx.path_graph(6)
    chain.add_node(9)
    found = places(chain, 0)
    assert len(set(found.values())) == 7
    assert all(0 < x < WIDTH for x, _ in found.values())
    assert found[0][0] < found[3][0]
    assert list(places(nx.empty_graph(1)).values()) == [(WIDTH / 2, 70.0)]
    assert places(nx.empty_graph(0)) == {}
