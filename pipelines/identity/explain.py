"""Why these identifiers are one person: what they are, what joined them, what was left out."""

from __future__ import annotations

from typing import Any

from lake.engines.duckdb import Session
from pipelines.identity import neighbourhood
from pipelines.identity.neighbourhood import Row


def explain_person(session: Session, one_id: str, *, is_clear: bool = False) -> dict[str, Any]:
    """A person with everything that its identity rests on.

    Keys: ``person`` (row of persons), ``identifiers`` (type, value masked unless ``is_clear``,
    first and last seen), ``links`` and ``refused`` (evidence, and the rule of a refusal),
    ``screened`` (neighbours that unite nothing, and why), ``history``. NotFoundError for an
    unknown one_id.
    """
    person = neighbourhood.person(session, one_id)
    links = neighbourhood.links(session, one_id)
    return {
        "person": person,
        "identifiers": neighbourhood.identifiers(session, one_id, is_clear=is_clear),
        "links": [link for link in links if link["status"] == "accepted"],
        "refused": [link for link in links if link["status"] == "refused"],
        "screened": neighbourhood.screened(session, one_id, is_clear=is_clear),
        "history": neighbourhood.history(session, one_id),
    }


def render(explained: dict[str, Any]) -> str:
    """``explain_person`` as lines of text for a terminal."""
    person, held = explained["person"], explained["identifiers"]
    names = {(row["identifier_key"], row["tenure"]): _name(row) for row in held}
    lines = [
        f"{person['one_id']}  person_no {person['person_no']}",
        f"  first received {_minute(person['born_at'])} from {person['birth_source']}, "
        f"event {person['birth_event_id']}, field {person['birth_path']}",
        f"  seen {_minute(person['first_seen_at'])} to {_minute(person['last_seen_at'])} UTC",
        f"identifiers ({len(held)})",
        *(f"  {_name(row)}  {_span(row)}  {row['count_sightings']} events" for row in held),
        f"joined by ({len(explained['links'])})",
        *(f"  {_link(row, names)}" for row in explained["links"]),
    ]
    if explained["refused"]:
        lines.append(f"not joined ({len(explained['refused'])})")
        lines += [f"  {_link(row, names)}, refused: {row['rule']}" for row in explained["refused"]]
    if explained["screened"]:
        lines.append(f"seen beside, but uniting nothing ({len(explained['screened'])})")
        lines += [f"  {_name(row)}  {_why(row)}" for row in explained["screened"]]
    lines.append("history")
    lines += [f"  {row['published_for']}  {_change(row)}" for row in explained["history"]]
    return "\n".join(lines)


def _name(row: Row) -> str:
    return f"{row['type']} {row['value']}"


def _span(row: Row) -> str:
    return f"{row['first_at']:%Y-%m-%d}..{row['last_at']:%Y-%m-%d}"


def _minute(at: Any) -> str:
    return f"{at:%Y-%m-%d %H:%M}"


def _link(row: Row, names: dict[tuple[int, int], str]) -> str:
    a = names.get((row["identifier_key_a"], row["tenure_a"]), "another person's")
    b = names.get((row["identifier_key_b"], row["tenure_b"]), "another person's")
    return (
        f"{a} + {b}: {row['count_events']} events on {row['count_days']} days, "
        f"{row['first_on']}..{row['last_on']}, first {row['source']} {row['event_id']}"
    )


def _why(row: Row) -> str:
    if row["reason"] == "blocked":
        return f"blocked ({row['rule']})"
    return f"hub ({row['rule']}; it has {row['count_partners']})"


def _change(row: Row) -> str:
    words = {"merged": "absorbed", "split": "split from"}
    if not row["other_one_id"]:
        return f"{row['one_id']} {row['kind']}"
    return f"{row['one_id']} {words[row['kind']]} {row['other_one_id']}"
