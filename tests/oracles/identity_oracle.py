"""Identity the slow way: from single events, with networkx, to hold the fast one against."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import combinations
from typing import Any

import networkx as nx

from schemas.identity_rules import Blocked, IdentityRules
from tests.pipelines.identity.seen import Seen, path

Identifier = tuple[str, str]


def resolve_slowly(
    seen: Sequence[Seen], rules: IdentityRules
) -> tuple[dict[str, set[Identifier]], set[Identifier], set[Identifier]]:
    """(one_id → identifiers, blocked, hubs)."""
    everything = {member for one in seen for member in one.members}
    blocked = {member for member in everything if _is_blocked(member, rules)}
    hubs = {m for m in everything - blocked if _is_hub(m, seen, rules, blocked)}
    out = blocked | hubs
    graph: Any = nx.Graph()
    for one in seen:
        inside = [member for member in one.members if member not in out]
        graph.add_nodes_from(inside)
        graph.add_edges_from(combinations(inside, 2))
    persons = {_name(held, seen): set(held) for held in nx.connected_components(graph)}
    return persons, blocked, hubs


def _is_blocked(member: Identifier, rules: IdentityRules) -> bool:
    type, value = member
    of_type = [one.blocked for one in rules.types if one.type == type]
    return any(_blocks(blocked, value) for blocked in [rules.blocked, *of_type])


def _blocks(blocked: Blocked, value: str) -> bool:
    return value.lower() in [v.lower() for v in blocked.values] or any(
        re.fullmatch(pattern, value) for pattern in blocked.patterns.values()
    )


def _is_hub(
    member: Identifier, seen: Iterable[Seen], rules: IdentityRules, blocked: set[Identifier]
) -> bool:
    partners = {m for one in seen if member in one.members for m in one.members}
    partners -= blocked | {member}
    limits = next((one.at_most for one in rules.types if one.type == member[0]), {})
    return any(
        sum(type == partner for type, _ in partners) > limit for partner, limit in limits.items()
    )


def _name(held: set[Identifier], seen: Iterable[Seen]) -> str:
    births: list[tuple[datetime, str, str, str]] = [
        (one.received_at, one.source, one.event_id, path(place))
        for one in seen
        for place, member in enumerate(one.members)
        if member in held
    ]
    received_at, source, event_id, field = min(births)
    micros = round(received_at.timestamp() * 1_000_000)
    text = f"{micros}|{source}|{event_id}|{field}"
    return "p" + hashlib.sha256(text.encode()).hexdigest()[:24]
