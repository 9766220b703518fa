"""Why two identifiers are one person, or what keeps them apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import networkx as nx

from lake.engines.duckdb import Session
from pipelines.identity import neighbourhood, sighted, words
from pipelines.identity.evidence import working
from pipelines.identity.explain import blockers, sharers_of
from pipelines.identity.graph import obstruction, path_between, surroundings
from pipelines.identity.sighted import Node, Row
from schemas.errors import NotFoundError, UsageError

WIDEST = 5_000
"""Stays of a component within which ways between two persons are looked for."""

FEW = 60
"""Stays of persons who are drawn whole beside the way between two identifiers."""

_WAY_ENDS = ("from_node", "to_node")
_MOST_TELLING = (
    "refused", "decision", "hub", "blocked", "shared", "alone", "handover", "on the way", "unseen",
)  # fmt: skip


def explain_link(
    session: Session, a: int, b: int, classes: Sequence[str] = (), *, is_clear: bool = False
) -> dict[str, Any]:
    """What joins two identifiers (their keys), or what keeps them apart.

    Keys: ``a`` and ``b`` (type, value, ``stays``), ``is_joined``, ``one_id`` of both or NULL,
    ``together`` (tally of the events that show both), ``way`` (the shortest chain, one row per
    link, see ``path_between``; strong ``classes`` of evidence are preferred; empty where none
    leads), ``reasons`` (``why`` and ``says``, the most telling first; none where they are joined),
    ``decisions`` that touch them or the way. UsageError where both are one identifier,
    NotFoundError for one that was never seen.
    """
    if a == b:
        raise UsageError(
            "both texts name one identifier", expected="two identifiers", got="the same twice",
            todo="to look at one of them, see `guiyi explain person`",
        )  # fmt: skip
    ends = [_stays(session, key, is_clear) for key in (a, b)]
    both = _common(*ends)
    graph = surroundings(session, _asked(session, ends, both), is_clear=is_clear)
    way = _within(graph, both, classes) if both else _across(graph, ends, classes)
    with working(session):
        together = sighted.together(session, a, b)
    decisions = neighbourhood.decisions(session, {a, b}, [*way, *ends[0], *ends[1]])
    found: dict[str, Any] = {
        **{name: _end(rows) for name, rows in zip("ab", ends, strict=True)},
        "is_joined": bool(both),
        "one_id": graph.nodes[both[0]]["one_id"] if both else None,
        "together": together,
        "way": way,
        "reasons": [],
        "decisions": decisions,
    }
    if not both:
        found["reasons"] = _Apart(session, graph, found, is_clear).reasons()
    return found


def stays_around(session: Session, explained: dict[str, Any]) -> list[Node]:
    """The stays worth drawing around what ``explain_link`` found: the way and its persons'."""
    own = [row for end in "ab" for row in explained[end]["stays"]]
    nodes = {_node(row) for row in own}
    holders = {row["one_id"] for row in own if row["one_id"]}
    held = neighbourhood.held(session, holders)
    if explained["is_joined"] or len(held) <= FEW:
        nodes |= set(held)
    return sorted(nodes | {row[end] for row in explained["way"] for end in _WAY_ENDS})


def _stays(session: Session, key: int, is_clear: bool) -> list[Row]:
    found = neighbourhood.stays(session, [key], is_clear=is_clear)
    if not found:
        raise NotFoundError(
            "this identifier was never seen on an event of this release",
            expected="an identifier with a row in tenures",
            got=f"identifier_key {key}",
            todo="name another release with --as-of",
        )
    return found


def _end(stays: list[Row]) -> Row:
    first = stays[0]
    return {name: first[name] for name in ("identifier_key", "type", "value")} | {"stays": stays}


def _node(stay: Row) -> Node:
    return stay["identifier_key"], stay["tenure"]


def _common(a: list[Row], b: list[Row]) -> tuple[Node, Node] | None:
    """The newest stays of both with one holder."""
    for one in reversed(a):
        for other in reversed(b):
            if one["one_id"] and one["one_id"] == other["one_id"]:
                return _node(one), _node(other)
    return None


def _asked(session: Session, ends: list[list[Row]], both: tuple[Node, Node] | None) -> set[Node]:
    """Stays to look around in: the one person's, or the component's, else the two persons'."""
    stays = [row for rows in ends for row in rows]
    own = {_node(row) for row in stays}
    if both:
        holder = next(row["one_id"] for row in stays if _node(row) == both[0])
        return own | set(neighbourhood.held(session, [holder]))
    own |= set(neighbourhood.held(session, {row["one_id"] for row in stays if row["one_id"]}))
    one, other = (neighbourhood.component(session, rows[0]["identifier_key"]) for rows in ends)
    is_one = bool(one) and one == other and len(one) <= WIDEST
    return own | set(one) if is_one else own


def _within(graph: nx.Graph[Node], both: tuple[Node, Node], classes: Sequence[str]) -> list[Row]:
    accepted = nx.subgraph_view(
        graph, filter_edge=lambda a, b: graph.edges[a, b]["status"] == "accepted"
    )
    return path_between(accepted, *both, classes)


def _across(graph: nx.Graph[Node], ends: list[list[Row]], classes: Sequence[str]) -> list[Row]:
    """The way from any stay of the one to any of the other with the least that keeps apart."""
    ways = []
    for one in map(_node, ends[0]):
        for other in map(_node, ends[1]):
            try:
                ways.append(path_between(graph, one, other, classes))
            except NotFoundError:
                continue
    return min(ways, key=lambda way: (sum(map(obstruction, way)), len(way)), default=[])


def _barriers(way: list[Row]) -> list[Row]:
    return [row for row in way if row["status"] != "accepted"]


class _Apart:
    """What keeps two identifiers apart, found in the graph around them."""

    def __init__(
        self, session: Session, graph: nx.Graph[Node], found: dict[str, Any], is_clear: bool
    ) -> None:
        self.graph, self.found = graph, found
        refused = [row for _, _, row in graph.edges(data=True) if row["status"] == "refused"]
        self.names = blockers(session, refused, is_clear=is_clear)
        shared = [node for node, kind in graph.nodes(data="kind") if kind == "shared"]
        self.sharers = sharers_of(session, shared) if shared else {}

    def reasons(self) -> list[Row]:
        """All of them, the most telling first, each once."""
        a, b = self.found["a"], self.found["b"]
        direct = self._direct()
        by = {neighbourhood.decision_of(row["rule"]) for row in direct}
        decided = [row for row in self._decided() if row["decision_id"] not in by]
        told = [*direct, *decided, *self._standing(a), *self._standing(b)]
        told += [self._barrier(row) for row in _barriers(self.found["way"])]
        if not told:
            told = [{"why": "unseen", "says": _NOTHING}]
        told.sort(key=lambda row: _MOST_TELLING.index(row["why"]))
        once = {row["says"]: row for row in reversed(told)}
        return [row for row in told if once[row["says"]] is row]

    def _direct(self) -> list[Row]:
        """The refused links between the two themselves."""
        found = []
        for one in self.found["a"]["stays"]:
            for other in self.found["b"]["stays"]:
                row = self.graph.get_edge_data(_node(one), _node(other)) or {}
                if row.get("status") == "refused":
                    found.append(self._refusal(row, "refused"))
        return found

    def _decided(self) -> list[Row]:
        keys = {self.found[end]["identifier_key"] for end in "ab"}
        return [
            {
                "why": "decision",
                "says": words.decided(f"decision {row['decision_id']}", [row])
                + " keeps them apart",
                "decision_id": row["decision_id"],
            }
            for row in self.found["decisions"]
            if row["kind"] == "unlink" and row["is_in_force"]
            and {row["identifier_key_a"], row["identifier_key_b"]} == keys
        ]  # fmt: skip

    def _standing(self, end: Row) -> list[Row]:
        """What is so of one of the two by itself."""
        stays = end["stays"]
        found = [self._holding(row) for row in stays if not row["one_id"]]
        if len(stays) > 1:
            told = "; ".join(
                f"{words.stretch(row)} {words.holder(row, self.sharers.get(_node(row), []))}"
                for row in stays
            )
            found.append({"why": "handover", "says": f"{words.name(end)} changed hands: {told}"})
        return found

    def _holding(self, stay: Row) -> Row:
        when = "" if words.stretch(stay) == "always" else f"{words.stretch(stay)} "
        told = words.holder(stay, self.sharers.get(_node(stay), []))
        if neighbourhood.decision_of(stay["rule"] or ""):
            told += f", {words.decided(stay['rule'], self.found['decisions'])}"
        return {
            "why": stay["kind"], "says": f"{words.name(stay)} is {when}{told}",
            "rule": stay["rule"], "count_partners": stay["count_partners"],
        }  # fmt: skip

    def _barrier(self, row: Row) -> Row:
        """What keeps apart at one step of the way."""
        if row["status"] == "refused":
            ends = {row["from_node"][0], row["to_node"][0]}
            is_direct = ends == {self.found[end]["identifier_key"] for end in "ab"}
            return self._refusal(row, "refused" if is_direct else "on the way")
        if row["status"] == "handover":
            stays = sorted((row["from_node"], row["to_node"]))
            return self._standing(
                self.graph.nodes[stays[0]] | {"stays": [self.graph.nodes[one] for one in stays]}
            )[-1]
        lent = next(
            self.graph.nodes[node]
            for node in (row["to_node"], row["from_node"])
            if self.graph.nodes[node]["kind"] == row["status"]
        )
        return self._holding(lent)

    def _refusal(self, row: Row, why: str) -> Row:
        because = words.refusal(row, self.names, self.found["decisions"])
        a = (row["identifier_key_a"], row["tenure_a"])
        b = (row["identifier_key_b"], row["tenure_b"])
        names = [words.name(self.graph.nodes[node]) for node in (a, b)]
        whose = [self.graph.nodes[node]["one_id"] for node in (a, b)]
        return {
            "why": why,
            "says": f"the link {names[0]} ({whose[0]}) + {names[1]} ({whose[1]}) was refused: "
            f"{because}; it rests on {words.evidence(row)}",
            "rule": row["rule"],
            "blocker": row["blocker"],
        }


_NOTHING = "they were never seen together, and no chain of evidence leads from one to the other"


def render_link(explained: dict[str, Any]) -> str:
    """``explain_link`` as lines of text for a terminal."""
    a, b = explained["a"], explained["b"]
    names = f"{words.name(a)} and {words.name(b)}"
    verdict = f"are one person, {explained['one_id']}" if explained["is_joined"] else "are apart"
    lines = [f"{names} {verdict}"]
    for end in (a, b):
        lines += [
            f"  {words.name(end)}  {words.stretch(row)}: {row['one_id'] or row['kind']}"
            for row in end["stays"]
        ]
    lines.append(f"on one event: {words.tally(explained['together'])}")
    if explained["reasons"]:
        lines.append("because")
        lines += [f"  {row['says']}" for row in explained["reasons"]]
    if explained["way"]:
        title = "joined by" if explained["is_joined"] else "the way between them"
        lines.append(f"{title} ({words.count(len(explained['way']), 'step')})")
        lines += [f"  {_step(row, explained['decisions'])}" for row in explained["way"]]
    return "\n".join(lines)


def _step(row: Row, decisions: list[Row]) -> str:
    ends = f"{row['from']} + {row['to']}"
    if row["status"] == "handover":
        return f"{row['from']}: handed over on {row['on']}"
    if row["status"] in ("accepted", "refused"):
        added = words.added(row, decisions)
        return f"{ends}: {words.evidence(row)}, {row['status']}{added}"
    return f"{ends}: {words.tally(row)}, {row['status']}"
