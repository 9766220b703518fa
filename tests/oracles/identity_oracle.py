"""Identity the slow way: from single events, in plain loops, to hold the fast one against."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from itertools import combinations
from typing import Any

import networkx as nx

from schemas.identity_rules import IdentityRules, PerPerson
from tests.oracles.stays_oracle import Decision, Identifier, Node, Resolved, StaysOracle
from tests.pipelines.identity.seen import Seen, key, path


class Oracle(StaysOracle):
    """Resolves events under rules and decisions."""

    def resolve(self) -> Resolved:
        self.divide()
        self._draw()
        self._settle()
        self._assign()
        return self.out

    # --- Links.

    def _node(self, x: Identifier, day: date) -> Node:
        for tenure, stay in enumerate(self.out.stays[x]):
            if stay.start <= day < stay.end:
                return x, tenure
        raise AssertionError((x, day))

    def _uniting(self, one: Seen) -> list[Node]:
        """The nodes of an event that unite, the strongest first."""
        nodes = [self._node(m, one.business_date) for m in one.members if m in self.usable]
        nodes = [(x, n) for x, n in nodes if not self.out.stays[x][n].is_shared]
        return sorted(nodes, key=lambda node: (self.strength[node[0][0]], key(*node[0]), node[1]))

    def _draw(self) -> None:
        self.days: dict[Node, set[date]] = defaultdict(set)
        self.birth: dict[Node, tuple[datetime, str, str, str]] = {}
        self.edges: dict[tuple[Node, Node], dict[str, Any]] = {}
        for rank, one in enumerate(self.seen):
            for place, member in enumerate(one.members):
                if member in self.usable:
                    node = self._node(member, one.business_date)
                    self.days[node].add(one.business_date)
                    born = (one.received_at, one.source, one.event_id, path(place))
                    self.birth[node] = min(self.birth.get(node, born), born)
            star, *others = self._uniting(one) or [None]
            for node in others:
                assert star is not None
                edge = self.edges.setdefault(
                    (star, node), {"days": set(), "rank": rank, "class": 99}
                )
                edge["days"].add(one.business_date)
                edge["class"] = min(edge["class"], self._class(star, node, one.source))
        self.verified = {
            node
            for (a, b), edge in self.edges.items()
            if edge["class"] <= len(self.rules.evidence)
            and self.rules.evidence[edge["class"] - 1].verifies
            and not self._passes(a, b)
            for node in (a, b)
        }

    def _passes(self, a: Node, b: Node) -> bool:
        return (a[0], b[0]) in self.out.passing or (b[0], a[0]) in self.out.passing

    def _class(self, a: Node, b: Node, source: str) -> int:
        classes = list(enumerate(self.rules.evidence, 1))
        for place, one in classes:
            if source in one.sources:
                return place
        for place, one in classes:
            pair = (a[0][0], b[0][0])
            if not one.sources and (pair in one.between or pair[::-1] in one.between):
                return place
        plain = [place for place, one in classes if not one.sources and not one.between]
        return plain[0] if plain else len(classes) + 1

    # --- Settling.

    def _settle(self) -> None:
        cluster: dict[Node, set[Node]] = {node: {node} for node in self.days}
        apart = [(a, b) for _, kind, a, b in self.decisions if kind == "unlink"]
        for a, b, waives in self._ordered():
            x, y = cluster[a], cluster[b]
            if x is y:
                self.out.links[frozenset((a, b))] = "accepted"
                continue
            both = x | y
            if any(self._joins(both, *pair) for pair in apart) or (
                not waives and any(self._breaks(both, t, lim) for t, lim in self._limits())
            ):
                self.out.links[frozenset((a, b))] = "refused"
                continue
            self.out.links[frozenset((a, b))] = "accepted"
            for node in both:
                cluster[node] = both
        for a, b in self.edges:
            if self._passes(a, b):
                self.out.links.setdefault(frozenset((a, b)), "refused")
        for node, members in cluster.items():
            x, tenure = node
            alone = all(not self._rules(m[0]).may_stand_alone for m in members)
            if not self.out.stays[x][tenure].is_shared and not alone:
                self.out.person_of[node] = _name(min(self.birth[m] for m in members))

    def _ordered(self) -> list[tuple[Node, Node, bool]]:
        decided = self._decided_links()
        weighed = [
            (0, 2, decision, 0, *_keys(a, b), a, b, True) for (a, b), decision in decided.items()
        ]
        strong = self.rules.weights.strong_days
        for (a, b), edge in self.edges.items():
            if self._passes(a, b) or frozenset((a, b)) in {frozenset(pair) for pair in decided}:
                continue
            days = len(edge["days"])
            bucket = 0 if days >= strong else 1 if days > 1 else 2
            weighed.append((edge["class"], bucket, "", edge["rank"], *_keys(a, b), a, b, False))
        return [(row[-3], row[-2], row[-1]) for row in sorted(weighed, key=lambda r: r[:-3])]

    def _decided_links(self) -> dict[tuple[Node, Node], str]:
        found: dict[tuple[Node, Node], str] = {}
        for decision, kind, a, b in sorted(self.decisions, key=lambda d: d[0]):
            ends = [self._latest(one) for one in (a, b) if kind == "link" and one is not None]
            if len(ends) == 2 and ends[0] and ends[1]:
                pair = tuple(sorted((ends[0], ends[1]), key=lambda node: self.birth[node]))
                found.setdefault((pair[0], pair[1]), decision)
        return found

    def _latest(self, x: Identifier) -> Node | None:
        nodes = [
            (x, n)
            for n, stay in enumerate(self.out.stays.get(x, []))
            if not stay.is_shared and (x, n) in self.days
        ]
        return nodes[-1] if nodes else None

    def _joins(self, both: set[Node], a: Identifier, b: Identifier | None) -> bool:
        held = {x for x, _ in both}
        return a in held and b in held

    def _limits(self) -> Iterable[tuple[str, PerPerson]]:
        return [(one.type, limit) for one in self.rules.types for limit in one.per_person]

    def _breaks(self, both: set[Node], type: str, limit: PerPerson) -> bool:
        nodes = [node for node in both if node[0][0] == type]
        if limit.unless_verified and limit.at_most > 1:
            nodes = [node for node in nodes if node not in self.verified]
        return any(
            all(self._conflict(a, b, limit) for a, b in combinations(chosen, 2))
            for chosen in combinations(nodes, limit.at_most + 1)
        )

    def _conflict(self, a: Node, b: Node, limit: PerPerson) -> bool:
        if a[0] == b[0]:
            return False
        if limit.unless_verified and a in self.verified and b in self.verified:
            return False
        overlap = (
            min(max(self.days[a]), max(self.days[b])) - max(min(self.days[a]), min(self.days[b]))
        ).days
        if limit.overlapping_days is not None:
            return overlap >= limit.overlapping_days
        return limit.within_days is None or -overlap < limit.within_days

    # --- Assigning.

    def _assign(self) -> None:
        for one in self.seen:
            nodes = self._uniting(one)
            self.out.owner[one.event_id] = self.out.person_of.get(nodes[0]) if nodes else None
        log_ins: dict[tuple[Identifier, date], set[str]] = defaultdict(set)
        lent = {x: self._borrower(x, one) for one in self.seen for x in one.members}
        for one in self.seen:
            owner = self.out.owner[one.event_id]
            for x in one.members:
                borrower = self._borrower(x, one)
                if owner and borrower and any(m[0] == borrower for m in one.members):
                    log_ins[x, one.business_date].add(owner)
        assert lent is not None
        for one in self.seen:
            if self.out.owner[one.event_id] is None and not self._is_log_in(one):
                found = [
                    log_ins[x, one.business_date]
                    for x in one.members
                    if len(log_ins.get((x, one.business_date), ())) == 1
                ]
                who = set().union(*found)
                if len(who) == 1:
                    self.out.owner[one.event_id] = who.pop()

    def _borrower(self, x: Identifier, one: Seen) -> str | None:
        """The type whose log-in attributes x, where x is lent around."""
        borrower = self._rules(x).borrowed_by
        is_lent = x in self.out.hubs or any(s.is_shared for s in self.out.stays.get(x, []))
        return borrower if is_lent else None

    def _is_log_in(self, one: Seen) -> bool:
        return any(m[0] == self._borrower(x, one) for x in one.members for m in one.members)


def resolve_slowly(
    seen: Sequence[Seen], rules: IdentityRules, decisions: Sequence[Decision] = ()
) -> Resolved:
    """Who is who; under plain rules the persons are networkx's connected components."""
    found = Oracle(seen, rules, decisions).resolve()
    if not decisions and rules == rules.without_screen():
        graph: Any = nx.Graph()
        for one in seen:
            inside = [m for m in one.members if m not in found.blocked | found.hubs]
            graph.add_nodes_from(inside)
            graph.add_edges_from(combinations(inside, 2))
        assert sorted(map(sorted, nx.connected_components(graph))) == sorted(
            map(sorted, found.persons.values())
        )
    return found


def _keys(a: Node, b: Node) -> tuple[int, int, int, int]:
    ends = sorted((key(*a[0]), key(*b[0])))
    return (ends[0], ends[1], a[1], b[1])


def _name(birth: tuple[datetime, str, str, str]) -> str:
    received_at, source, event_id, field_path = birth
    micros = round(received_at.timestamp() * 1_000_000)
    text = f"{micros}|{source}|{event_id}|{field_path}"
    return "p" + hashlib.sha256(text.encode()).hexdigest()[:24]
