"""Draws persons and what lies between them: one HTML page that needs nothing from outside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import networkx as nx
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from console.graph.layout import MARGIN, WIDTH, places
from pipelines.identity import Node, words

MOST = 80
"""Nodes that are drawn; with more, those nearest to the way or to the strongest identifiers."""

GROUPS = {
    "account": ("user_id", "unionid", "openid", "external_userid"),
    "card": ("member_card", "order_ref", "person_record"),
    "contact": ("phone", "email"),
    "device": ("device_id", "idfa", "oaid", "imei", "cookie_id"),
}
"""Kinds of identifier types, each with a colour of its own; any other type is grey."""

STATUSES = {
    "accepted": "joins", "refused": "refused", "handover": "passed on", "shared": "shared",
    "hub": "hub", "blocked": "blocked",
}  # fmt: skip

Row = dict[str, Any]
Way = dict[frozenset[Node], int]
"""An edge of the way, and its place on it."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A node as it is drawn."""

    x: float
    y: float
    classes: str
    title: str
    row: Row


@dataclass(frozen=True, slots=True)
class Line:
    """An edge as it is drawn."""

    ends: tuple[float, float, float, float]
    classes: str
    title: str
    label: str
    row: Row


def page(
    graph: nx.Graph[Node], heading: str, says: Sequence[str], way: Sequence[tuple[Node, Node]] = ()
) -> str:
    """A graph of ``pipelines.identity.surroundings`` as one HTML page: no network, no script.

    ``says`` are paragraphs above the picture. The edges of ``way`` are drawn bold. With more than
    ``MOST`` nodes the nearest to the way are drawn, and the page says so; the tables hold all.
    """
    drawn = graph.subgraph(_nearest(graph, way))
    at = places(drawn, way[0][0] if way else None)
    persons = _persons(graph, way)
    bold = {frozenset(edge): number for number, edge in enumerate(way)}
    spots = [_spot(graph, node, at[node], persons) for node in sorted(drawn)]
    lines = [_line(graph, a, b, at, bold) for a, b in sorted(map(_pair, drawn.edges))]
    text: str = _template().render(
        heading=heading,
        says=says,
        style=Markup(_style()),
        spots=spots,
        lines=lines,
        width=max((x for x, _ in at.values()), default=WIDTH - MARGIN) + MARGIN,
        height=max((y for _, y in at.values()), default=60) + 70,
        persons=persons,
        left_out=len(graph) - len(drawn),
        groups=_groups(graph),
        statuses={row["status"] for _, _, row in graph.edges(data=True)},
        nodes=[graph.nodes[node] for node in sorted(graph, key=lambda n: _place(graph, n))],
        edges=[_edge_row(graph, *_pair(edge)) for edge in _ordered(graph, bold)],
    )
    return text


def _template() -> Any:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        tally=words.tally, stretch=words.stretch, name=words.name, holder=words.holder
    )
    environment.globals["words_of"] = STATUSES
    return environment.get_template("page.html")


def _style() -> str:
    """The style of every page of the console, and of the drawn graph."""
    here = Path(__file__).parent
    sheets = (here.parent / "report" / "page.css", here / "graph.css")
    return "\n".join(sheet.read_text(encoding="utf-8") for sheet in sheets)


def _nearest(graph: nx.Graph[Node], way: Iterable[tuple[Node, Node]]) -> list[Node]:
    """At most ``MOST`` nodes, by their distance from the way, or from a most linked node."""
    if len(graph) <= MOST:
        return list(graph)
    start = {node for edge in way for node in edge}
    start = start or {max(sorted(graph), key=lambda node: len(graph[node]))}
    order = nx.multi_source_dijkstra_path_length(graph, start, weight=None)
    rest = [node for node in sorted(graph) if node not in order]
    return list(islice([*order, *rest], max(MOST, len(start))))


def _persons(graph: nx.Graph[Node], way: Sequence[tuple[Node, Node]]) -> dict[str, int]:
    """one_id → number of its ring: those of the way first, then by their identifiers."""
    ends = [graph.nodes[node]["one_id"] for edge in way for node in edge]
    count: dict[str, int] = {}
    for _, one_id in graph.nodes(data="one_id"):
        if one_id:
            count[one_id] = count.get(one_id, 0) + 1
    first = [one for one in dict.fromkeys(ends) if one]
    rest = sorted((one for one in count if one not in first), key=lambda one: (-count[one], one))
    return {one: number for number, one in enumerate([*first, *rest])}


def _groups(graph: nx.Graph[Node]) -> list[str]:
    found = {_group(row["type"]) for _, row in graph.nodes(data=True)}
    return [group for group in (*GROUPS, "other") if group in found]


def _group(type: str) -> str:
    return next((group for group, types in GROUPS.items() if type in types), "other")


def _spot(
    graph: nx.Graph[Node], node: Node, at: tuple[float, float], persons: dict[str, int]
) -> Spot:
    row = graph.nodes[node]
    ring = f"person-{min(persons[row['one_id']], 5)}" if row["one_id"] else "nobody"
    told = [words.name(row), f"{words.stretch(row)}: {words.holder(row)}"]
    told += [words.tally(row)] if row["is_asked"] else []
    return Spot(*at, f"of-{_group(row['type'])} {row['kind']} {ring}", "\n".join(told), row)


def _line(
    graph: nx.Graph[Node], a: Node, b: Node, at: dict[Node, tuple[float, float]],
    bold: Way,
) -> Line:  # fmt: skip
    row = _edge_row(graph, a, b)
    classes = row["status"] + (" way" if frozenset((a, b)) in bold else "")
    title = f"{row['from']} + {row['to']}\n{row['status']}: {row['evidence']}"
    title += f"\n{row['rule']}" if row["rule"] else ""
    return Line((*at[a], *at[b]), classes, title, row["rule"] or row["on"], row)


def _edge_row(graph: nx.Graph[Node], a: Node, b: Node) -> Row:
    """An edge in words: from, to, status, evidence, ``rule`` and ``on`` (or empty)."""
    row = graph.edges[a, b]
    told = {"from": words.name(graph.nodes[a]), "to": words.name(graph.nodes[b])}
    if row["status"] == "handover":
        on = f"from {row['on']}"
        return told | {"status": "handover", "evidence": on, "rule": "", "on": on}
    is_link = row["status"] in ("accepted", "refused")
    evidence = words.evidence(row) if is_link else words.tally(row)
    rule = row["rule"] if is_link else graph.nodes[b]["rule"] or graph.nodes[a]["rule"]
    return told | {"status": row["status"], "evidence": evidence, "rule": rule or "", "on": ""}


def _pair(edge: tuple[Node, Node]) -> tuple[Node, Node]:
    a, b = sorted(edge)
    return a, b


def _ordered(graph: nx.Graph[Node], bold: Way) -> list[tuple[Node, Node]]:
    """The edges: the way first, then as the statuses stand."""
    rank = list(STATUSES)

    def place(edge: tuple[Node, Node]) -> tuple[int, int, tuple[Node, Node]]:
        number = bold.get(frozenset(edge), len(bold))
        return number, rank.index(graph.edges[edge]["status"]), _pair(edge)

    return sorted(graph.edges, key=place)


def _place(graph: nx.Graph[Node], node: Node) -> tuple[str, str, Node]:
    row = graph.nodes[node]
    return row["one_id"] or "~", row["type"], node
