"""The slow way to hubs, holders and stays: from single events, in plain loops."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from schemas.identity_rules import Blocked, Exclusive, IdentifierRules, IdentityRules
from tests.pipelines.identity.seen import Seen, key

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


class StaysOracle:
    """Screens identifiers, and divides them among their holders."""

    def __init__(
        self, seen: Sequence[Seen], rules: IdentityRules, decisions: Sequence[Decision] = ()
    ) -> None:
        self.rules, self.decisions = rules, decisions
        self.seen = sorted(seen, key=lambda one: (one.received_at, one.source, one.event_id))
        self.of = {one.type: one for one in rules.types}
        self.strength = {one.type: place for place, one in enumerate(rules.ranked())}
        self.out = Resolved()
        self.known: dict[tuple[Identifier, str], dict[Identifier, set[date]]] = {}

    def divide(self) -> None:
        """Fill ``out`` up to the stays."""
        everything = {member for one in self.seen for member in one.members}
        self.out.blocked = {m for m in everything if self._is_blocked(m)}
        self.out.hubs = {m for m in everything - self.out.blocked if self._is_hub(m)}
        self.usable = everything - self.out.blocked - self.out.hubs
        self._divide()

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
        for exclusive, groups in islands:
            for group in groups:
                first = min(min(all_met[h]) for h in group)
                last = max(max(all_met[h]) for h in group)
                for stay in stays:
                    if len(group) > 1 and first < stay.end and last >= stay.start:
                        stay.is_shared |= not (
                            exclusive.overlap == "strongest"
                            and self._is_held(x, exclusive, stay, all_met)
                        )
        return stays

    def _is_held(
        self, x: Identifier, exclusive: Exclusive, stay: Stay, all_met: dict[Identifier, set[date]]
    ) -> bool:
        """Whether somebody of a stronger type is there in the stay."""
        return any(
            self.strength[p[0]] < self.strength[exclusive.of]
            and (x, p) not in self.out.passing
            and min(days) < stay.end
            and max(days) >= stay.start
            for p, days in all_met.items()
        )

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


def _blocks(blocked: Blocked, value: str) -> bool:
    return value.lower() in [v.lower() for v in blocked.values] or any(
        re.fullmatch(pattern, value) for pattern in blocked.patterns.values()
    )
