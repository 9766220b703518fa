"""Screening: which identifiers unite nothing, because they name nobody or too many.

Both are decided per identifier from all evidence, whatever else is screened, so that the answer
depends on no order and a new day can only be read together with all before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from lake.engines.duckdb import Session, quoted
from schemas.identity_rules import Blocked, IdentityRules

_SEEN = "SELECT DISTINCT identifier_key FROM work_members"
_NOTHING = (
    "SELECT CAST(NULL AS BIGINT) AS identifier_key, CAST(NULL AS VARCHAR) AS type, "
    "CAST(NULL AS VARCHAR) AS reason, CAST(NULL AS VARCHAR) AS rule, "
    "CAST(NULL AS BIGINT) AS count_partners WHERE false"
)


def screen(session: Session, rules: IdentityRules) -> None:
    """Make ``work_screened``, in the columns of ``screened``; reads the work of ``gather``.

    A value is blocked by the first rule by name that matches it, and a hub by the limit that it
    exceeds most; blocked goes before hub.
    """
    session.execute(f"CREATE OR REPLACE TEMP TABLE work_screened AS {_blocked(rules)}")
    session.execute(f"INSERT INTO work_screened {_hubs(rules)}")


def _blocked(rules: IdentityRules) -> str:
    matches = [
        f"SELECT identifier_key, type, {quoted(name)} AS rule FROM identifiers WHERE {condition}"
        for name, condition in _conditions(rules)
    ]
    if not matches:
        return _NOTHING
    return f"""
    SELECT identifier_key, type, 'blocked' AS reason, min(rule) AS rule,
      CAST(0 AS BIGINT) AS count_partners
    FROM ({" UNION ALL ".join(matches)})
    WHERE identifier_key IN ({_SEEN})
    GROUP BY identifier_key, type
    """


def _conditions(rules: IdentityRules) -> Iterator[tuple[str, str]]:
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
        f"({quoted(one.type)}, {quoted(partner)}, {limit})"
        for one in rules.types
        for partner, limit in one.at_most.items()
    ]
    if not limits:
        return _NOTHING
    return f"""
    WITH limits AS (
      SELECT * FROM (VALUES {", ".join(limits)}) AS t(type, partner, at_most)
    ),
    members AS (
      SELECT bundle_id, identifier_key, type FROM work_members
      WHERE identifier_key NOT IN (SELECT identifier_key FROM work_screened)
    ),
    counted AS (
      SELECT one.identifier_key, one.type, limits.partner, limits.at_most,
        count(DISTINCT other.identifier_key) AS count_partners
      FROM members AS one
      JOIN limits ON limits.type = one.type
      JOIN members AS other ON other.bundle_id = one.bundle_id
        AND other.type = limits.partner AND other.identifier_key <> one.identifier_key
      GROUP BY ALL
    ),
    broken AS (
      SELECT *, row_number() OVER (
        PARTITION BY identifier_key ORDER BY count_partners - at_most DESC, partner
      ) AS place
      FROM counted WHERE count_partners > at_most
    )
    SELECT identifier_key, type, 'hub' AS reason,
      type || ': at most ' || at_most || ' ' || partner AS rule, count_partners
    FROM broken WHERE place = 1
    """
