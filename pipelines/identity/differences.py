"""Some of the persons whom other rules would split or merge, each with the rule at fault.

Reads the work of ``compare``: ``work_same`` says for each published stay where it would be.
"""

from __future__ import annotations

from typing import Any

from lake.engines.duckdb import Session, quoted
from pipelines.identity.neighbourhood import shown
from pipelines.identity.words import name

Row = dict[str, Any]

PARTS, VALUES, REASONS = 6, 4, 3
"""How many persons, identifiers of each, and reasons are told of one who is split or merged."""

_PARTS = f"""
WITH held AS (
  SELECT DISTINCT {{mine}} AS one_id, {{other}} AS part, identifier_key, type
  FROM work_same WHERE {{mine}} IN ({{sampled}})
),
placed AS (
  SELECT *, count(*) OVER (PARTITION BY one_id, part) AS count_identifiers,
    row_number() OVER (PARTITION BY one_id, part ORDER BY strength, identifier_key) AS place
  FROM held JOIN work_types USING (type)
),
listed AS (
  SELECT *, dense_rank() OVER (
    PARTITION BY one_id ORDER BY part IS NULL, count_identifiers DESC, part
  ) AS part_no
  FROM placed
)
SELECT one_id, part, part_no, count_identifiers, l.type, i.value
FROM listed AS l LEFT JOIN identifiers AS i ON i.identifier_key = l.identifier_key
WHERE place <= {VALUES} AND part_no <= {PARTS}
ORDER BY one_id, part_no, place
"""

# Links of one person whose ends two persons would hold, and what became of them.
_CUT = """
SELECT a.one_id_before AS one_id,
  a.one_id_after IS NOT NULL AND b.one_id_after IS NOT NULL AS is_direct,
  a.identifier_key AS key_a, b.identifier_key AS key_b, a.kind_after AS kind_a,
  b.kind_after AS kind_b, t.rule
FROM links AS l
JOIN work_same AS a ON a.identifier_key = l.identifier_key_a AND a.tenure = l.tenure_a
JOIN work_same AS b ON b.identifier_key = l.identifier_key_b AND b.tenure = l.tenure_b
LEFT JOIN work_tried_links AS t ON t.status = 'refused'
  AND t.identifier_key_a = a.identifier_key AND t.tenure_a = a.tenure_after
  AND t.identifier_key_b = b.identifier_key AND t.tenure_b = b.tenure_after
WHERE l.status = 'accepted' AND a.one_id_before IN ({sampled})
  AND a.one_id_after IS DISTINCT FROM b.one_id_after
"""

# Links that one person would have between what two hold, and what keeps these apart as it is.
_JOINED = """
SELECT t.one_id, a.one_id_before IS NOT NULL AND b.one_id_before IS NOT NULL AS is_direct,
  a.identifier_key AS key_a, b.identifier_key AS key_b, a.kind_before AS kind_a,
  b.kind_before AS kind_b, l.rule
FROM (
  SELECT k.*, h.one_id FROM work_tried_links AS k
  JOIN work_tried_tenures AS h ON h.identifier_key = k.identifier_key_a AND h.tenure = k.tenure_a
  WHERE k.status = 'accepted' AND h.one_id IN ({sampled})
) AS t
JOIN work_same AS a ON a.identifier_key = t.identifier_key_a AND a.tenure_after = t.tenure_a
JOIN work_same AS b ON b.identifier_key = t.identifier_key_b AND b.tenure_after = t.tenure_b
LEFT JOIN links AS l ON l.status = 'refused'
  AND l.identifier_key_a = a.identifier_key AND l.tenure_a = a.tenure
  AND l.identifier_key_b = b.identifier_key AND l.tenure_b = b.tenure
WHERE a.one_id_before IS DISTINCT FROM b.one_id_before
"""

# The surest reasons of each first: those of links between two persons, then those with a rule.
_REASONS = f"""
SELECT f.one_id, f.rule, kind_a, kind_b, i.type AS type_a, i.value AS value_a, j.type AS type_b,
  j.value AS value_b, s.rule AS rule_a, u.rule AS rule_b
FROM ({{links}}) AS f
LEFT JOIN identifiers AS i ON i.identifier_key = key_a
LEFT JOIN identifiers AS j ON j.identifier_key = key_b
LEFT JOIN {{screened}} AS s ON s.identifier_key = key_a
LEFT JOIN {{screened}} AS u ON u.identifier_key = key_b
QUALIFY dense_rank() OVER (PARTITION BY one_id ORDER BY is_direct DESC) = 1
  AND row_number() OVER (
    PARTITION BY one_id ORDER BY f.rule IS NULL, key_a, key_b, kind_a, kind_b
  ) <= {REASONS}
ORDER BY one_id, f.rule IS NULL, key_a, key_b
"""


def splits(session: Session, sample: int, *, is_clear: bool) -> list[Row]:
    """Up to ``sample`` published persons who would be several, those with most stays first.

    Each: ``one_id``, ``count_persons``, ``persons`` (``one_id``, NULL for what nobody would hold,
    ``count_identifiers``, some ``identifiers``) and ``because``, the rules at fault in words.
    """
    links = _REASONS.format(links=_CUT, screened="work_screened")
    sides = ("one_id_before", "one_id_after")
    return _sampled(session, "work_splits", sides, links, sample, "would be", is_clear)


def merges(session: Session, sample: int, *, is_clear: bool) -> list[Row]:
    """Up to ``sample`` persons who would hold what several hold, as ``splits``; ``persons`` are
    those published."""
    links = _REASONS.format(links=_JOINED, screened="screened")
    sides = ("one_id_after", "one_id_before")
    return _sampled(session, "work_merges", sides, links, sample, "is", is_clear)


def _sampled(
    session: Session,
    table: str,
    sides: tuple[str, str],
    links: str,
    sample: int,
    verb: str,
    is_clear: bool,
) -> list[Row]:
    mine, other = sides
    chosen: list[Row] = session.table(
        f"SELECT {mine} AS one_id, count_persons FROM {table} WHERE count_persons > 1 "
        f"ORDER BY count_stays DESC, one_id LIMIT {sample}"
    ).to_pylist()
    if not chosen:
        return []
    sampled = ", ".join(quoted(one["one_id"]) for one in chosen)
    parts = session.table(_PARTS.format(mine=mine, other=other, sampled=sampled)).to_pylist()
    reasons = session.table(links.format(sampled=sampled)).to_pylist()
    for one in chosen:
        one["persons"] = _parts([row for row in parts if row["one_id"] == one["one_id"]], is_clear)
        because = [_why(row, verb, is_clear) for row in reasons if row["one_id"] == one["one_id"]]
        one["because"] = list(dict.fromkeys(because))
    return chosen


def _parts(rows: list[Row], is_clear: bool) -> list[Row]:
    found: dict[int, Row] = {}
    for row in rows:
        part = found.setdefault(
            row["part_no"],
            {"one_id": row["part"], "count_identifiers": row["count_identifiers"]}
            | {"identifiers": []},
        )
        value = shown(row["type"], row["value"], is_clear=is_clear)
        part["identifiers"].append({"type": row["type"], "value": value})
    return list(found.values())


def _why(row: Row, verb: str, is_clear: bool) -> str:
    """What keeps the two ends of a link apart on the side where they are apart."""
    ends = [
        {"type": row[f"type_{end}"], "value": shown(row[f"type_{end}"], row[f"value_{end}"],
         is_clear=is_clear), "kind": row[f"kind_{end}"], "rule": row[f"rule_{end}"]}
        for end in "ab"
    ]  # fmt: skip
    both = f"{name(ends[0])} + {name(ends[1])}"
    if row["rule"]:
        return f"{both}: the link {verb} refused ({row['rule']})"
    for kind, says in (("blocked", "blocked"), ("hub", "a hub"), ("shared", "shared")):
        for end in ends:
            if end["kind"] == kind:
                rule = f" ({end['rule']})" if end["rule"] else ""
                return f"{name(end)} {verb} {says}{rule}"
    for end in ends:
        if end["kind"] == "handover":
            return f"{name(end)} {verb} handed over"
    return f"{both}: no link {verb} drawn between them"
