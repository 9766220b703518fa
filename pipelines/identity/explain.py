"""Why these identifiers are one person: what they are, what joined them, what was left out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import networkx as nx

from lake.engines.duckdb import Session
from pipelines.identity import neighbourhood, sighted, words
from pipelines.identity.evidence import working
from pipelines.identity.graph import step, surroundings
from pipelines.identity.sighted import Node, Row


def explain_person(session: Session, one_id: str, *, is_clear: bool = False) -> dict[str, Any]:
    """A person with everything that its identity rests on.

    Keys: ``person`` (row of persons, first and last day seen), ``identifiers`` (stays with value,
    masked unless ``is_clear``, tally, and the ``other_stays`` of a value that changed hands),
    ``links`` and ``refused`` (evidence, and ``because`` of a refusal), ``shared`` (with
    ``sharers``) and ``screened`` (seen beside, and why it unites nothing), ``decisions`` that
    touch it, ``history``. NotFoundError for an unknown one_id.
    """
    person = neighbourhood.person(session, one_id)
    around = surroundings(session, neighbourhood.held(session, [one_id]), is_clear=is_clear)
    mine = [row for _, row in around.nodes(data=True) if row["one_id"] == one_id]
    mine.sort(key=lambda row: (row["first_on"] or date.max, row["type"], _node(row)))
    edges = sorted(_edges(around), key=_receipt)
    accepted = [row for row in edges if row["status"] == "accepted"]
    refused = [row for row in edges if row["status"] == "refused"]
    screened = _beside(around, "hub", "blocked")
    keys = {row["identifier_key"] for row in [*mine, *screened]}
    decisions = neighbourhood.decisions(session, keys, [*edges, *screened])
    names = blockers(session, refused, is_clear=is_clear)
    seen = [day for row in mine for day in (row["first_on"], row["last_on"]) if day]
    days = {"first_on": min(seen, default=None), "last_on": max(seen, default=None)}
    return {
        "person": person | days,
        "identifiers": [row | {"other_stays": _others(around, row)} for row in mine],
        "links": accepted,
        "refused": [
            row | {"because": words.refusal(row, names, decisions), "of": _whose(around, row)}
            for row in refused
        ],
        "shared": _with_sharers(session, _beside(around, "shared")),
        "screened": screened,
        "decisions": decisions,
        "history": neighbourhood.history(session, one_id),
    }


def blockers(session: Session, refused: Iterable[Row], *, is_clear: bool = False) -> dict[int, str]:
    """The blockers of the refused links by key: type, value and whose it is."""
    found: dict[int, str] = {}
    keys = {row["blocker"] for row in refused if row["blocker"] is not None}
    for row in neighbourhood.stays(session, keys, is_clear=is_clear):
        whose = f" ({words.holder(row)})" if row["one_id"] else ""
        found[row["identifier_key"]] = words.name(row) + whose
    return found


def sharers_of(session: Session, stays: Iterable[Node]) -> dict[Node, list[str]]:
    """The persons to whom the events of each stay belong."""
    with working(session):
        sighted.ask(session, stays)
        return sighted.sharers(session)


def _node(row: Row) -> Node:
    return row["identifier_key"], row["tenure"]


def _edges(graph: nx.Graph[Node]) -> list[Row]:
    """The links, each with ``from`` and ``to``."""
    return [
        step(graph, *sorted((a, b)))
        for a, b, status in graph.edges(data="status")
        if status in ("accepted", "refused")
    ]


def _receipt(row: Row) -> tuple[Any, ...]:
    return row["received_at"], row["source"], row["event_id"], row["from_node"], row["to_node"]


def _beside(graph: nx.Graph[Node], *kinds: str) -> list[Row]:
    """What was seen beside the person's identifiers, most often first in ``beside``."""
    found = []
    for node, row in graph.nodes(data=True):
        if row["kind"] in kinds:
            beside = [step(graph, other, node) for other in sorted(graph[node])]
            beside = [one for one in beside if one["status"] == row["kind"]]
            beside.sort(key=lambda one: -one["count_events"])
            found.append(row | {"beside": beside})
    return sorted(found, key=lambda row: (row["type"], _node(row)))


def _others(graph: nx.Graph[Node], mine: Row) -> list[Row]:
    """The other stays of the identifier, in order."""
    stays = [node for node in sorted(graph) if node[0] == mine["identifier_key"]]
    return [graph.nodes[node] for node in stays if node != _node(mine)]


def _whose(graph: nx.Graph[Node], link: Row) -> list[str]:
    ends = {graph.nodes[link[end]]["one_id"] for end in ("from_node", "to_node")}
    return sorted(one for one in ends if one)


def _with_sharers(session: Session, shared: list[Row]) -> list[Row]:
    known = sharers_of(session, map(_node, shared)) if shared else {}
    return [row | {"sharers": known.get(_node(row), [])} for row in shared]


def render(explained: dict[str, Any]) -> str:
    """``explain_person`` as lines of text for a terminal."""
    person, held = explained["person"], explained["identifiers"]
    decisions = explained["decisions"]
    lines = [
        f"{person['one_id']}  person_no {person['person_no']}",
        f"  first received {person['born_at']:%Y-%m-%d %H:%M} from {person['birth_source']}, "
        f"event {person['birth_event_id']}, field {person['birth_path']}",
        f"  seen {person['first_on']}..{person['last_on']}",
        f"identifiers ({len(held)})",
        *(line for row in held for line in _identifier(row)),
        f"joined by ({len(explained['links'])})",
        *(f"  {row['from']} + {row['to']}: {words.evidence(row)}{words.added(row, decisions)}"
          for row in explained["links"]),
    ]  # fmt: skip
    me = person["one_id"]
    parts = {
        "not joined": [_refused(row, me) for row in explained["refused"]],
        "shared with others, so that it unites nothing": [
            f"{words.name(row)}  {words.stretch(row)} {words.holder(row, row['sharers'])}"
            f"{_met(row)}"
            for row in explained["shared"]
        ],
        "seen beside, but uniting nothing": [
            f"{words.name(row)}  {words.screening(row)}{_met(row)}" for row in explained["screened"]
        ],
        "decisions of people": [_decision(row) for row in decisions],
    }
    for title, told in parts.items():
        lines += [f"{title} ({len(told)})", *(f"  {line}" for line in told)] if told else []
    lines.append("history")
    lines += [f"  {row['published_for']}  {_change(row)}" for row in explained["history"]]
    return "\n".join(lines)


def _identifier(row: Row) -> list[str]:
    when = "" if row["kind"] == "sole" else f"  {row['kind']}, theirs {words.stretch(row)}"
    first = f"first {row['source']} {row['event_id']}"
    return [f"  {words.name(row)}  {words.tally(row)}, {first}{when}"] + [
        f"    {words.stretch(other)} {words.holder(other)}" for other in row["other_stays"]
    ]


def _met(row: Row) -> str:
    """With what of the person's it was seen most."""
    if not row["beside"]:
        return ""
    most = row["beside"][0]
    return f"; seen with {most['from']}: {words.tally(most)}"


def _refused(row: Row, me: str) -> str:
    others = [one for one in row["of"] if one != me]
    whose = f" (of {others[0]})" if others else ""
    return f"{row['from']} + {row['to']}{whose}: {words.evidence(row)}; refused: {row['because']}"


def _decision(row: Row) -> str:
    about = f" takes back {row['revokes']}" if row["revokes"] else ""
    force = "" if row["is_in_force"] or about else ", not in force"
    return (
        f"{row['kind']} {row['decision_id']}{about}, by {row['author']} on "
        f"{row['decided_at']:%Y-%m-%d}: {row['reason']}{force}"
    )


def _change(row: Row) -> str:
    said = {"merged": "absorbed", "split": "split from"}
    if not row["other_one_id"]:
        return f"{row['one_id']} {row['kind']}"
    return f"{row['one_id']} {said[row['kind']]} {row['other_one_id']}"
