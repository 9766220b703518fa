"""Identity the slow way: from single events, in plain loops, to hold the fast one against."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import combinations
from typing import Any

import networkx as nx

from schemas.identity_rules import Blocked, Exclusive, IdentifierRules, IdentityRules, PerPerson
from tests.pipelines.identity.seen import Seen, key, path

Identifier = tuple[str, str]
Node = tuple[Identifier, int]
Decision = tuple[str, str, Identifier, Identifier | None]
"""decision_id, kind, and the one or two identifiers."""
FIRST, LAST = date(1, 1, 1), date(9999, 12, 31)


@dataclass
class Stay:
    """One tenure."""

    start: date = FIRST
    end: date = LAST
    is_shared: bool = False


@dataclass
class Resolved:
    """What the resolution must give."""

    blocked: set[Identifier] = field(default_factory=set)
    hubs: set[Identifier] = field(default_factory=set)
    stays: dict[Identifier, list[Stay]] = field(default_factory=dict)
    passing: set[tuple[Identifier, Identifier]] = field(default_factory=set)
    links: dict[frozenset[Node], str] = field(default_factory=dict)
    person_of: dict[Node, str] = field(default_factory=dict)
    owner: dict[str, str | None] = field(default_factory=dict)
    """Event → person."""

    @property
    def persons(self) -> dict[str, set[Identifier]]:
        found: dict[str, set[Identifier]] = defaultdict(set)
        for (identifier, _), one_id in self.person_of.items():
            found[one_id].add(identifier)
        return dict(found)


class Oracle:
    """Resolves events under rules and decisions."""

    def __init__(
        self, seen: Sequence[Seen], rules: IdentityRules, decisions: Sequence[Decision] = ()
    ) -> None:
        self.rules, self.decisions = rules, decisions
        self.seen = sorted(seen, key=lambda one: (one.received_at, one.source, one.event_id))
        self.of = {one.type: one for one in rules.types}
        self.strength = {one.type: place for place, one in enumerate(rules.ranked())}
        self.out = Resolved()
        self.known: dict[tuple[Identifier, str], dict[Identifier, set[date]]] = {}

    def resolve(self) -> Resolved:
        everything = {member for one in self.seen for member in one.members}
        self.out.blocked = {m for m in everything if self._is_blocked(m)}
        self.out.hubs = {m for m in everything - self.out.blocked if self._is_hub(m)}
        self.usable = everything - self.out.blocked - self.out.hubs
        self._divide()
        self._draw()
        self._settle()
        self._assign()
        return self.out

    # --- Screening.

    def _is_blocked(self, member: Identifier) -> bool:
        type, value = member
        decided = any(kind == "block" and a == member for _, kind, a, _ in self.decisions)
        of_type = [self.of[type].blocked] if type in self.of else []
        return decided or any(_blocks(b, value) for b in [self.rules.blocked, *of_type])

    def _is_hub(self, member: Identifier) -> bool:
        for limit in self.of[member[0]].holders if member[0] in self.of else ():
            met = {
                (other, one.business_date)
                for one in self.seen
                if member in one.members
                for other in one.members
                if other[0] == limit.of and other != member and other not in self.out.blocked
            }
            days = {day for _, day in met}
            windows = [met]
            if limit.within_days is not None:
                back = timedelta(days=limit.within_days - 1)
                windows = [{m for m in met if day - back <= m[1] <= day} for day in days]
            if any(len({other for other, _ in window}) > limit.at_most for window in windows):
                return True
        return False

    # --- Holders and stays.

    def _met(self, x: Identifier, partner_type: str) -> dict[Identifier, set[date]]:
        """Partner → the days on which it met x."""
        if (x, partner_type) not in self.known:
            met: dict[Identifier, set[date]] = defaultdict(set)
            for one in self.seen:
                if x in one.members:
                    for other in one.members:
                        if other[0] == partner_type and other != x and other in self.usable:
                            met[other].add(one.business_date)
            self.known[x, partner_type] = dict(met)
        return self.known[x, partner_type]

    def _divide(self) -> None:
        shared: set[Identifier] = set()
        for x in self.usable:
            rules = self._rules(x)
            if not rules.transferable:
                islands = [i for e in rules.exclusive for i in self._islands_for_life(x, e)]
                if any(len(island) > 1 for island in islands):
                    shared.add(x)
                    self.out.stays[x] = [Stay(is_shared=True)]
        for x in self.usable - shared:
            self.out.stays[x] = [Stay()]
        for x in self.usable:
            if self._rules(x).transferable:
                self.out.stays[x] = self._stays(x, shared)

    def _rules(self, x: Identifier) -> IdentifierRules:
        return self.of.get(x[0], IdentifierRules(x[0]))

    def _alias(self, partner: Identifier) -> Identifier:
        exclusive = self._rules(partner).exclusive
        met = self._met(partner, exclusive[0].of) if exclusive else {}
        return next(iter(met)) if len(met) == 1 else partner

    def _islands_for_life(self, x: Identifier, exclusive: Exclusive) -> list[list[Identifier]]:
        met = self._met(x, exclusive.of)
        holders: dict[Identifier, set[date]] = defaultdict(set)
        for partner, days in met.items():
            holders[self._alias(partner)] |= days
        if len(holders) < 2:
            return []
        sequence = sorted((day, key(*h), h) for h, days in holders.items() for day in days)
        turns: dict[Identifier, int] = defaultdict(int)
        for place, (_, _, holder) in enumerate(sequence):
            turns[holder] += place == 0 or sequence[place - 1][2] != holder
        times = self.rules.weights.shared_times
        gone = set()
        for p, days in holders.items():
            for q, others in holders.items():
                if q == p or not _covers(others, days):
                    continue
                if len(others) >= len(days) * times or (turns[p] == 1 and len(others) > len(days)):
                    gone.add(p)
        for partner, days in met.items():
            for other in self.usable:
                if other[0] == x[0] and other != x:
                    there = self._met(other, exclusive.of).get(partner, set())
                    if (
                        len(there) > len(days)
                        and min(there) <= max(days)
                        and min(days) <= max(there)
                    ):
                        gone.add(self._alias(partner))
        return self._islands(x, exclusive, holders, gone, met)

    def _islands(
        self,
        x: Identifier,
        exclusive: Exclusive,
        holders: dict[Identifier, set[date]],
        gone: set[Identifier],
        met: dict[Identifier, set[date]],
    ) -> list[list[Identifier]]:
        islands = _grouped(holders, gone, exclusive.silence_days)
        if exclusive.overlap == "strongest":
            for island in islands:
                best = max(len(holders[h]) for h in island)
                top = [h for h in island if len(holders[h]) == best]
                if len(top) == 1:
                    gone |= set(island) - set(top)
            islands = _grouped(holders, gone, exclusive.silence_days)
        is_for_life = not self._rules(x).transferable
        for partner in met:
            if (self._alias(partner) if is_for_life else partner) in gone:
                self.out.passing.add((x, partner))
        return islands

    def _stays(self, x: Identifier, shared: set[Identifier]) -> list[Stay]:
        islands: list[tuple[Exclusive, list[list[Identifier]]]] = []
        all_met: dict[Identifier, set[date]] = {}
        for exclusive in self._rules(x).exclusive:
            met = {p: d for p, d in self._met(x, exclusive.of).items() if p not in shared}
            all_met |= met
            if len(met) > 1:
                gone = self._passers_by(met, exclusive)
                islands.append((exclusive, self._islands(x, exclusive, met, gone, met)))
        if not islands:
            return [Stay()]
        borders = set()
        for exclusive, groups in islands:
            for left, right in zip(groups, groups[1:], strict=False):
                ended = max(max(all_met[h]) for h in left)
                began = min(min(all_met[h]) for h in right)
                border = self._longest_silence(x, ended, began)
                if not self._spanned(x, exclusive, border, all_met):
                    borders.add(border)
        edges = [FIRST, *sorted(borders), LAST]
        stays = [Stay(a, b) for a, b in zip(edges, edges[1:], strict=False)]
        for _, groups in islands:
            for group in groups:
                first = min(min(all_met[h]) for h in group)
                last = max(max(all_met[h]) for h in group)
                for stay in stays:
                    if len(group) > 1 and first < stay.end and last >= stay.start:
                        stay.is_shared = True
        return stays

    def _passers_by(
        self, met: dict[Identifier, set[date]], exclusive: Exclusive
    ) -> set[Identifier]:
        weights, near = self.rules.weights, timedelta(days=exclusive.near_days)
        gone = set()
        for p, days in met.items():
            for q, others in met.items():
                if q == p:
                    continue
                outweighed = len(others) >= len(days) * weights.passer_by_times
                is_near = min(others) - near <= min(days) <= max(others) + near
                once = len(days) == 1 and bool(near) and len(others) >= weights.strong_days
                if (outweighed and _covers(others, days)) or (once and is_near):
                    gone.add(p)
        return gone

    def _longest_silence(self, x: Identifier, ended: date, began: date) -> date:
        days = sorted({one.business_date for one in self.seen if x in one.members})
        gaps = [
            (after - before, before, after)
            for before, after in zip(days, days[1:], strict=False)
            if ended < after <= began
        ]
        return min(gaps, key=lambda gap: (-gap[0], gap[2]))[2]

    def _spanned(
        self,
        x: Identifier,
        exclusive: Exclusive,
        border: date,
        all_met: dict[Identifier, set[date]],
    ) -> bool:
        return any(
            self.strength[p[0]] < self.strength[exclusive.of]
            and (x, p) not in self.out.passing
            and min(days) < border <= max(days)
            for p, days in all_met.items()
        )

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


def _grouped(
    holders: dict[Identifier, set[date]], gone: set[Identifier], silence: int
) -> list[list[Identifier]]:
    islands: list[list[Identifier]] = []
    end = FIRST
    for _, _, _, holder in sorted(
        (min(days), max(days), key(*h), h) for h, days in holders.items() if h not in gone
    ):
        if islands and min(holders[holder]) <= end + timedelta(days=silence):
            islands[-1].append(holder)
        else:
            islands.append([holder])
        end = max(end, *holders[holder])
    return islands


def _covers(others: set[date], days: set[date]) -> bool:
    return min(others) <= min(days) and max(days) <= max(others)


def _overlap(these: set[date], those: set[date]) -> bool:
    return min(these) <= max(those) and min(those) <= max(these)


def _keys(a: Node, b: Node) -> tuple[int, int, int, int]:
    ends = sorted((key(*a[0]), key(*b[0])))
    return (ends[0], ends[1], a[1], b[1])


def _blocks(blocked: Blocked, value: str) -> bool:
    return value.lower() in [v.lower() for v in blocked.values] or any(
        re.fullmatch(pattern, value) for pattern in blocked.patterns.values()
    )


def _name(birth: tuple[datetime, str, str, str]) -> str:
    received_at, source, event_id, field_path = birth
    micros = round(received_at.timestamp() * 1_000_000)
    text = f"{micros}|{source}|{event_id}|{field_path}"
    return "p" + hashlib.sha256(text.encode()).hexdigest()[:24]
