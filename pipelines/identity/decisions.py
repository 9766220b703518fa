"""Which decisions of people are in force, and which of them a new one contradicts.

A function of the set of decisions: those taken back are left out as if they had never been, the
others are taken in the order of their receipt, and one that contradicts those before it is set
aside. At entry nothing contradictory gets in; a file that somebody made by hand may hold anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

import networkx as nx
import pyarrow as pa

from lake.engines.duckdb import Session

_WORK = pa.schema(
    [
        pa.field("decision_id", pa.string()),
        pa.field("kind", pa.string()),
        pa.field("identifier_key_a", pa.int64()),
        pa.field("identifier_key_b", pa.int64()),
    ]
)


class Entry(NamedTuple):
    """A decision as it was received: the keys of a link or unlink, of a block ``a`` alone."""

    received_at: datetime
    decision_id: str
    kind: str
    a: int | None = None
    b: int | None = None
    revokes: str | None = None

    def is_about(self, key: int) -> bool:
        """Whether it names the identifier ``key``."""
        return key in (self.a, self.b)

    @property
    def says(self) -> tuple[str, frozenset[int | None]]:
        """Kind and identifiers, equal for decisions that say the same."""
        return self.kind, frozenset((self.a, self.b))


def in_force(
    session: Session, table: str = "identity_decisions", work: str = "work_decisions"
) -> None:
    """Make ``work`` (decision_id, kind, identifier_key_a, identifier_key_b) from ``table``.

    ``identifier_key_b`` is NULL of a block.
    """
    found = session.table(
        "SELECT received_at, decision_id, kind, identifier_key_a AS a, identifier_key_b AS b, "
        f"revokes FROM {table}"
    ).to_pylist()
    entries = standing(Entry(**row) for row in found)
    listed = [
        {
            "decision_id": one.decision_id,
            "kind": one.kind,
            "identifier_key_a": one.a,
            "identifier_key_b": one.b,
        }
        for one in entries
    ]
    session.register("decisions_in_force", pa.Table.from_pylist(listed, _WORK))
    session.execute(f"CREATE OR REPLACE TEMP TABLE {work} AS SELECT * FROM decisions_in_force")
    session.con.unregister("decisions_in_force")


def standing(entries: Iterable[Entry]) -> list[Entry]:
    """The entries in force in order of receipt, then id; of several that say the same, the first.

    Links and unlinks in force never contradict one another, however long the chain of links, and
    no link names a blocked identifier.
    """
    received = sorted(set(entries), key=lambda one: (one.received_at, one.decision_id))
    revoked = {one.revokes for one in received}
    bonds = _Bonds()
    return [
        one
        for one in received
        if one.kind != "revoke" and one.decision_id not in revoked and bonds.take(one)
    ]


def contradicted(in_force: Sequence[Entry], new: Entry) -> list[Entry]:
    """Those ``in_force`` that cannot stand beside ``new``; the first is the one to revoke.

    An unlink across a chain of links gives the whole chain.
    """
    a, b = new.a, new.b
    if a is None:
        return []
    links = [one for one in in_force if one.kind == "link"]
    if b is None:
        return [one for one in links if one.is_about(a)]
    graph = nx.Graph()
    graph.add_nodes_from((a, b))
    graph.add_edges_from((one.a, one.b, {"by": one}) for one in links)
    if new.kind == "unlink":
        return _chain(graph, a, b)
    blocks = [one for one in in_force if one.kind == "block" and {a, b} & {one.a}]
    return blocks or _kept_apart(in_force, graph, a, b)


def _kept_apart(in_force: Sequence[Entry], graph: nx.Graph, a: int, b: int) -> list[Entry]:
    """The first unlink between what ``a`` and what ``b`` is linked to, and the chains there."""
    with_a, with_b = (nx.node_connected_component(graph, one) for one in (a, b))
    for one in in_force:
        if one.kind == "unlink":
            if one.a in with_a and one.b in with_b:
                return [one, *_chain(graph, a, one.a), *_chain(graph, b, one.b)]
            if one.b in with_a and one.a in with_b:
                return [one, *_chain(graph, a, one.b), *_chain(graph, b, one.a)]
    return []


def _chain(graph: nx.Graph, start: int, end: int | None) -> list[Entry]:
    """The links of a shortest chain from ``start`` to ``end``; none where nothing joins them."""
    if not nx.has_path(graph, start, end):
        return []
    path = nx.shortest_path(graph, start, end)
    return [graph.edges[pair]["by"] for pair in zip(path, path[1:], strict=False)]


class _Bonds:
    """What the decisions taken so far force together and keep apart."""

    def __init__(self) -> None:
        self._said: set[tuple[str, frozenset[int | None]]] = set()
        self._blocked: set[int] = set()
        self._leader: dict[int, int] = {}
        self._apart: dict[int, list[tuple[int, int]]] = {}

    def take(self, one: Entry) -> bool:
        """Take a decision in; False when it repeats or contradicts one that was taken before."""
        if one.says in self._said or one.a is None:
            return False
        if one.b is None:
            is_taken = self._block(one.a)
        elif one.kind == "link":
            is_taken = self._link(one.a, one.b)
        else:
            is_taken = self._unlink(one.a, one.b)
        if is_taken:
            self._said.add(one.says)
        return is_taken

    def _block(self, key: int) -> bool:
        if key in self._leader:
            return False
        self._blocked.add(key)
        return True

    def _unlink(self, a: int, b: int) -> bool:
        ends = self._lead(a), self._lead(b)
        if ends[0] == ends[1]:
            return False
        for end in ends:
            self._apart.setdefault(end, []).append((a, b))
        return True

    def _link(self, a: int, b: int) -> bool:
        if a == b or {a, b} & self._blocked:
            return False
        one, other = self._lead(a), self._lead(b)
        few, many = sorted((one, other), key=lambda end: len(self._apart.get(end, ())))
        if one != other:
            kept = self._apart.get(few, [])
            if any({self._lead(x), self._lead(y)} == {one, other} for x, y in kept):
                return False
            self._apart.setdefault(many, []).extend(self._apart.pop(few, []))
            self._leader[few] = many
        self._leader.setdefault(many, many)
        return True

    def _lead(self, key: int) -> int:
        """The one that stands for all that ``key`` is linked to."""
        leader = self._leader
        while leader.get(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key
