"""The health of identity: what there is of each type, and how often links go wrong.

All of it is a function of the published tables alone, so that a rebuild gives the same.

A *wrong link* is one over which plain components would have gone from one person to another: a
refused link between two persons (several between the same two count once), each further holder of
a value that was handed over, and a shared value, which counts as one, the least it can be. Hubs
are left out, for nothing was ever joined over them. At 0.2 wrong links a person the components
begin to grow together.

Only a wrong link that breaks a limit shows. Of random pairs of persons those would who both hold
a value of a type of which one is allowed; where that is a share s of all pairs, each refused link
stands for (1 - s) / s that nobody noticed. It is an estimate, since who is wrongly linked is not
random.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from lake.draft import Draft
from lake.engines.duckdb import Session, quoted
from pipelines.identity.limits import ALWAYS, limits
from schemas import catalog
from schemas.identity_rules import IdentityRules

COUNTS = [
    field.name
    for field in catalog.table("identity_health").schema
    if field.name not in ("published_for", "type")
]

_HEALTH = """
WITH moved AS (
  SELECT DISTINCT identifier_key FROM tenures WHERE tenure > 0
),
-- Nearly all values have one stay: only of the others is anything counted distinctly.
still AS (
  SELECT type, one_id, kind FROM tenures ANTI JOIN moved USING (identifier_key)
),
passed_on AS (
  SELECT identifier_key, type, one_id, kind FROM tenures SEMI JOIN moved USING (identifier_key)
),
by_value AS (
  SELECT type, count(*) AS count_values, count(*) FILTER (WHERE holders > 0) AS count_held,
    max(holders) AS most_holders, count(*) FILTER (WHERE is_shared) AS count_shared,
    count(*) FILTER (WHERE holders > 1) AS count_handed_over
  FROM (
    SELECT type, CAST(one_id IS NOT NULL AS INTEGER) AS holders, kind = 'shared' AS is_shared
    FROM still
    UNION ALL
    SELECT any_value(type), count(DISTINCT one_id), bool_or(kind = 'shared')
    FROM passed_on GROUP BY identifier_key
  ) GROUP BY type
),
by_person AS (
  SELECT type, count(*) AS count_persons, max(held) AS most_per_person
  FROM (
    SELECT type, one_id, count(*) AS held
    FROM (
      SELECT type, one_id FROM still
      UNION ALL
      SELECT type, one_id FROM (SELECT DISTINCT type, one_id, identifier_key FROM passed_on)
    )
    WHERE one_id IS NOT NULL GROUP BY type, one_id
  ) GROUP BY type
),
by_screen AS (
  SELECT type, count(*) FILTER (WHERE reason = 'blocked') AS count_blocked,
    count(*) FILTER (WHERE reason = 'hub') AS count_hubs
  FROM screened GROUP BY type
),
refused AS (
  SELECT row_number() OVER () AS link_no, identifier_key_a, identifier_key_b
  FROM links WHERE status = 'refused'
),
by_refusal AS (
  SELECT t.type, count(DISTINCT r.link_no) AS count_refused
  FROM (
    SELECT link_no, identifier_key_a AS identifier_key FROM refused
    UNION ALL SELECT link_no, identifier_key_b FROM refused
  ) AS r JOIN tenures AS t ON t.identifier_key = r.identifier_key
  GROUP BY t.type
)
SELECT {day} AS published_for, v.type, count_values, count_held,
  coalesce(count_persons, 0) AS count_persons, coalesce(most_per_person, 0) AS most_per_person,
  most_holders, coalesce(count_blocked, 0) AS count_blocked,
  coalesce(count_hubs, 0) AS count_hubs, count_shared, count_handed_over,
  coalesce(count_refused, 0) AS count_refused
FROM by_value AS v
LEFT JOIN by_person AS p ON p.type = v.type
LEFT JOIN by_screen AS s ON s.type = v.type
LEFT JOIN by_refusal AS r ON r.type = v.type
"""

_REFUSED = """
SELECT count(DISTINCT (least(a.one_id, b.one_id), greatest(a.one_id, b.one_id)))
FROM {of}links AS l
JOIN {of}tenures AS a ON a.identifier_key = l.identifier_key_a AND a.tenure = l.tenure_a
JOIN {of}tenures AS b ON b.identifier_key = l.identifier_key_b AND b.tenure = l.tenure_b
WHERE l.status = 'refused' AND a.one_id <> b.one_id
"""

_MOVED = """
SELECT coalesce(sum(greatest(holders - 1, 0) + CAST(is_shared AS INTEGER)), 0) FROM (
  SELECT count(DISTINCT one_id) AS holders, bool_or(kind = 'shared') AS is_shared
  FROM {of}tenures WHERE tenure > 0 OR kind IN ('shared', 'handover') GROUP BY identifier_key
)
"""


def publish_health(draft: Draft) -> None:
    """Write ``identity_health`` of the draft's date, after ``tenures``, ``links``, ``screened``."""
    day = f"DATE '{draft.business_date.isoformat()}'"
    draft.replace_dates("identity_health", [draft.business_date], _HEALTH.format(day=day))


def wrong_links_per_person(session: Session, of: str = "") -> float:
    """Wrong links that plain components would have met, a person; 0 where there is nobody.

    ``of`` stands before the names of ``links``, ``tenures``, ``persons`` where others are meant.
    """
    persons = _count(session, f"SELECT count(*) FROM {of}persons")
    wrong = _count(session, _REFUSED.format(of=of)) + _count(session, _MOVED.format(of=of))
    return wrong / persons if persons else 0.0


def unnoticed_links_per_person(session: Session, rules: IdentityRules) -> float | None:
    """Wrong links expected to be among the accepted ones, a person; None where none could show."""
    persons = _count(session, "SELECT count(*) FROM persons")
    showing = _share_that_shows(session, rules, persons)
    if not showing:
        return None
    return _count(session, _REFUSED.format(of="")) * (1 - showing) / showing / persons


def _share_that_shows(session: Session, rules: IdentityRules, persons: int) -> float:
    """Of all pairs of persons, those who hold a type each of which a person has one alone."""
    types = {one.type for one in limits(rules) if one.at_most == 1 and one.tolerance == ALWAYS}
    if not types or not persons:
        return 0.0
    bits = [f"bit_or(CASE WHEN type = {quoted(one)} THEN {1 << n} ELSE 0 END)"
            for n, one in enumerate(sorted(types))]  # fmt: skip
    patterns = session.rows(
        f"SELECT pattern, count(*) FROM (SELECT {' | '.join(bits)} AS pattern FROM tenures "
        "WHERE one_id IS NOT NULL GROUP BY one_id) GROUP BY pattern"
    )
    held = [(int(str(pattern)), int(str(count))) for pattern, count in patterns]
    pairs = sum(n * m for one, n in held for other, m in held if one & other)
    return float(pairs / persons**2)


def health(session: Session, rules: IdentityRules) -> dict[str, Any]:
    """How identity fares at the newest publication that the session shows.

    ``published_for``, ``compared_with`` (the publication before; None at the first), the two
    rates of wrong links a person, and ``types``: a row for each type, the strongest first, with
    its counts and each as ``…_drift``, the difference to the publication before.
    """
    days = session.rows(
        "SELECT DISTINCT published_for FROM identity_health ORDER BY published_for DESC LIMIT 2"
    )
    newest, before = [*(day for (day,) in days), None, None][:2]
    return {
        "published_for": newest,
        "compared_with": before,
        "wrong_links_per_person": wrong_links_per_person(session),
        "warn_wrong_links": rules.warn_wrong_links,
        "unnoticed_links_per_person": unnoticed_links_per_person(session, rules),
        "types": _types(session, rules, newest, before),
    }


def _types(
    session: Session, rules: IdentityRules, newest: object, before: object
) -> list[dict[str, Any]]:
    now, then = (_rows(session, day) for day in (newest, before))
    order = {one.type: place for place, one in enumerate(rules.ranked())}
    nothing = dict.fromkeys(COUNTS, 0)
    return [
        {"type": name}
        | now.get(name, nothing)
        | {f"{count}_drift": _drift(now, then, name, count) for count in COUNTS}
        for name in sorted({*now, *then}, key=lambda name: (order.get(name, len(order)), name))
    ]


Rows = dict[str, dict[str, int]]


def _drift(now: Rows, then: Rows, name: str, count: str) -> int | None:
    if not then:
        return None
    return now.get(name, {}).get(count, 0) - then.get(name, {}).get(count, 0)


def _rows(session: Session, day: object) -> Rows:
    if not isinstance(day, date):
        return {}
    found = session.table(
        f"SELECT type, {', '.join(COUNTS)} FROM identity_health "
        f"WHERE published_for = DATE '{day.isoformat()}'"
    )
    return {row.pop("type"): row for row in found.to_pylist()}


def _count(session: Session, sql: str) -> int:
    ((count,),) = session.rows(sql)
    return int(str(count))


def render_health(found: dict[str, Any]) -> str:
    """What stands above the types of ``health``: the dates and the rates of wrong links."""
    if found["published_for"] is None:
        return "identity has not been published"
    unnoticed = found["unnoticed_links_per_person"]
    lines = [
        f"published for   {found['published_for']}",
        f"compared with   {found['compared_with'] or 'nothing, it is the first'}",
        f"wrong links     {found['wrong_links_per_person']:.4f} a person, "
        f"warned at {found['warn_wrong_links']}",
    ]
    if unnoticed is not None:
        lines.append(f"unnoticed       {unnoticed:.4f} a person, estimated")
    return "\n".join(lines)


def health_lines(found: dict[str, Any]) -> list[dict[str, str]]:
    """The types of ``health`` as lines for people: each count with its drift in brackets."""
    return [
        {"type": row["type"]}
        | {
            count.removeprefix("count_").replace("_", " "): f"{row[count]:,}"
            + (f" ({row[f'{count}_drift']:+,})" if row[f"{count}_drift"] else "")
            for count in COUNTS
        }
        for row in found["types"]
    ]


def warning(rate: float, rules: IdentityRules) -> str | None:
    """What to say of a rate of wrong links at which components begin to grow together."""
    if rate < rules.warn_wrong_links:
        return None
    return (
        f"{rate:.3f} wrong links a person, warned at {rules.warn_wrong_links}: components begin to "
        "grow together; look at `guiyi identity health` and tighten `holders` of the worst types"
    )
