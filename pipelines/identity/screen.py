"""Screening: which identifiers unite nothing, because they name nobody or too many.

Both are decided per identifier from all evidence, whatever else is screened, so that the answer
depends on no order and a new day can only be read together with all before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from lake.engines.duckdb import Session, quoted
from pipelines.identity.evidence import values
from schemas.identity_rules import Blocked, IdentityRules

_NOTHING = (
    "SELECT CAST(NULL AS BIGINT) AS identifier_key, CAST(NULL AS VARCHAR) AS type, "
    "CAST(NULL AS VARCHAR) AS reason, CAST(NULL AS VARCHAR) AS rule, "
    "CAST(NULL AS BIGINT) AS count_partners WHERE false"
)
_SEEN = "SELECT DISTINCT identifier_key, type FROM work_members"


def screen(session: Session, rules: IdentityRules, only: str = "") -> None:
    """Make ``work_screened``, in the columns of ``screened``; reads the work of ``gather``.

    ``only`` is a query for the identifier_keys to look at; all without it. A value is blocked by
    a person's decision, or by the first rule by name that matches it, and a hub by the limit that
    it exceeds most; blocked goes before hub.
    """
    chosen = f"WHERE identifier_key IN ({only})" if only else ""
    session.execute(f"CREATE OR REPLACE TEMP TABLE work_looked_at AS {_SEEN} {chosen}")
    # Partners that are blocked do not count, wherever they stand.
    session.execute(f"CREATE OR REPLACE TEMP TABLE work_blocked AS {_blocked(rules)}")
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_screened AS SELECT * FROM work_blocked "
        "WHERE identifier_key IN (SELECT identifier_key FROM work_looked_at)"
    )
    session.execute(f"INSERT INTO work_screened {_hubs(rules)}")


def _blocked(rules: IdentityRules) -> str:
    matches = [
        f"SELECT identifier_key, type, {quoted(name)} AS rule FROM seen WHERE {condition}"
        for name, condition in blocking(rules)
    ]
    matches.append(
        "SELECT i.identifier_key, i.type, 'decision ' || decision_id AS rule FROM work_decisions "
        "JOIN identifiers AS i ON i.identifier_key = identifier_key_a WHERE kind = 'block'"
    )
    return f"""
    WITH seen AS (
      SELECT identifier_key, type, value FROM identifiers
      WHERE identifier_key IN (SELECT identifier_key FROM ({_SEEN}))
    )
    SELECT identifier_key, any_value(type) AS type, 'blocked' AS reason, min(rule) AS rule,
      CAST(0 AS BIGINT) AS count_partners
    FROM ({" UNION ALL ".join(matches)})
    WHERE identifier_key IN (SELECT identifier_key FROM ({_SEEN}))
    GROUP BY identifier_key
    """


def blocking(rules: IdentityRules) -> Iterator[tuple[str, str]]:
    """Each rule that blocks values: its name, and a condition on the columns type and value."""
    for name, value in _values(rules.blocked):
        yield f"any: {name}", value
    for one in rules.types:
        for name, value in _values(one.blocked):
            yield f"{one.type}: {name}", f"type = {quoted(one.type)} AND {value}"


def _values(blocked: Blocked) -> Iterator[tuple[str, str]]:
    if blocked.values:
        listed = ", ".join(quoted(value.lower()) for value in blocked.values)
        yield "blocked value", f"lower(value) IN ({listed})"
    for name, pattern in sorted(blocked.patterns.items()):
        yield name, f"regexp_full_match(value, {quoted(pattern)})"


def _hubs(rules: IdentityRules) -> str:
    limits = [
        (quoted(one.type), quoted(it.of), it.at_most, it.within_days or 0)
        for one in rules.types
        for it in one.holders
    ]
    if not limits:
        return _NOTHING
    listed = values(limits, "type", "partner", "at_most", "within_days")
    windowed = any(it.within_days for one in rules.types for it in one.holders)
    within = _WITHIN if windowed else ""
    return f"""
    WITH limits AS (SELECT * FROM {listed}),
    members AS (
      SELECT bundle_id, identifier_key, type FROM work_members
      WHERE identifier_key NOT IN (SELECT identifier_key FROM work_blocked)
    ),
    looked_at AS (
      SELECT bundle_id, identifier_key, type FROM members
      WHERE identifier_key IN (SELECT identifier_key FROM work_looked_at)
    ),
    counted AS (
      SELECT one.identifier_key, one.type, limits.partner, limits.at_most, limits.within_days,
        count(DISTINCT other.identifier_key) AS count_partners
      FROM looked_at AS one
      JOIN limits ON limits.type = one.type
      JOIN members AS other ON other.bundle_id = one.bundle_id
        AND other.type = limits.partner AND other.identifier_key <> one.identifier_key
      GROUP BY one.identifier_key, one.type, limits.partner, limits.at_most, limits.within_days
      HAVING count_partners > limits.at_most
    ),
    {_MET if windowed else ""}
    exceeded AS (SELECT * FROM counted WHERE within_days = 0 {within}),
    broken AS (
      SELECT *, row_number() OVER (
        PARTITION BY identifier_key
        ORDER BY count_partners - at_most DESC, partner, within_days
      ) AS place
      FROM exceeded
    )
    SELECT identifier_key, type, 'hub' AS reason,
      type || ': at most ' || at_most || ' ' || partner
        || CASE WHEN within_days > 0 THEN ' within ' || within_days || ' days' ELSE '' END AS rule,
      count_partners
    FROM broken WHERE place = 1
    """


_MET = """
met AS (
  SELECT DISTINCT c.identifier_key, c.partner, other.identifier_key AS partner_key,
    r.business_date
  FROM counted AS c
  JOIN looked_at AS one ON one.identifier_key = c.identifier_key
  JOIN members AS other ON other.bundle_id = one.bundle_id
    AND other.type = c.partner AND other.identifier_key <> one.identifier_key
  JOIN work_receipts AS r ON r.bundle_id = one.bundle_id
  WHERE c.within_days > 0
),
"""

# The most distinct partners met on any so many successive days, the last of which is a meeting.
_WITHIN = """
UNION ALL
SELECT identifier_key, type, partner, at_most, within_days, max(met) AS count_partners
FROM (
  SELECT c.identifier_key, c.type, c.partner, c.at_most, c.within_days, d.business_date,
    count(DISTINCT e.partner_key) AS met
  FROM counted AS c
  JOIN met AS d ON d.identifier_key = c.identifier_key AND d.partner = c.partner
  JOIN met AS e ON e.identifier_key = c.identifier_key AND e.partner = c.partner
    AND e.business_date BETWEEN d.business_date - (c.within_days - 1) AND d.business_date
  WHERE c.within_days > 0
  GROUP BY ALL
)
GROUP BY identifier_key, type, partner, at_most, within_days
HAVING max(met) > at_most
"""
