"""Evidence, stays, rules and decisions in the words of a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from pipelines.identity.neighbourhood import decision_of
from pipelines.identity.sighted import Row
from schemas.decisions import DECISIONS


def name(row: Row) -> str:
    """Type and value."""
    return f"{row['type']} {row['value']}"


def tally(row: Row) -> str:
    """How often, on which days and from which sources, e.g. ``3 events on 2 days, …``."""
    if not row["count_events"]:
        return "never seen on one event"
    sources = ", ".join(f"{one['source']} {one['count_events']}" for one in row["sources"])
    first, last = row["first_on"], row["last_on"]
    days = f"{first}" if first == last else f"{first}..{last}"
    events, on = count(row["count_events"], "event"), count(row["count_days"], "day")
    return f"{events} on {on}, {days} ({sources})"


def evidence(link: Row) -> str:
    """Class, tally and first receipt of a link."""
    if link["source"] == DECISIONS:
        return f"decided, {tally(link)}"
    first = f"first {link['source']} {link['event_id']}"
    return f"{link['evidence']}, {tally(link)}, {first}"


def stretch(stay: Row) -> str:
    """When a stay holds: ``always``, ``until …``, ``from … on``, or both; days inclusive."""
    first = stay["valid_from"]
    last = stay["valid_to"] and stay["valid_to"] - timedelta(days=1)
    if first and last:
        return f"from {first} until {last}"
    if first:
        return f"from {first} on"
    return f"until {last}" if last else "always"


def holder(stay: Row, sharers: Sequence[str] = ()) -> str:
    """Whose a stay is, as what follows ``is``."""
    if stay["one_id"]:
        return f"{stay['one_id']}'s"
    if stay["kind"] == "shared":
        by = f" by {_and(sharers)}" if sharers else ""
        return f"shared{by}, so that it unites nothing"
    if stay["kind"] == "alone":
        return f"nobody's, for a {stay['type']} may not stand alone"
    return screening(stay)


def screening(row: Row) -> str:
    """Why a screened identifier unites nothing."""
    if row["kind"] == "blocked":
        return f"blocked ({row['rule']})"
    return f"a hub ({row['rule']}; it has {row['count_partners']})"


def refusal(link: Row, names: Mapping[int, str], decisions: Iterable[Row]) -> str:
    """Why a link was refused; ``names`` are of the blockers, with their holders."""
    rule = link["rule"]
    if rule == "outlier":
        return "outlier: one only passed by, beside another who was there longer or more often"
    through = f" through {names[link['blocker']]}" if link["blocker"] in names else ""
    if not decision_of(rule):
        return f"one person would break the limit “{rule}”{through}"
    is_end = link["blocker"] in (link["identifier_key_a"], link["identifier_key_b"])
    return f"{decided(rule, decisions)} keeps them apart{'' if is_end else through}"


def added(link: Row, decisions: Iterable[Row]) -> str:
    """What a decision of a person did for an accepted link, to stand behind it; else empty."""
    if link["source"] != DECISIONS:
        return ""
    _, waives, limit = (link["rule"] or "").partition(" waives ")
    told = "; " + decided(f"decision {link['event_id']}", decisions)
    return f"{told} waives {limit}" if waives else told


def decided(rule: str, decisions: Iterable[Row]) -> str:
    """The decision that a rule names, with its author, day and reason."""
    wanted = decision_of(rule)
    for row in decisions:
        if row["decision_id"] == wanted:
            return f"decision {wanted} of {row['author']}, {row['decided_at']:%Y-%m-%d} " + (
                f"({row['reason']})"
            )
    return f"decision {wanted}"


def count(number: int, thing: str) -> str:
    """A number of things."""
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _and(names: Sequence[str]) -> str:
    shown = [*names[:4], f"{len(names) - 4} more"] if len(names) > 5 else list(names)
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)
