"""Assigning: which bundle is whose, from when to when.

An event belongs to the person of its strongest uniting identifier on its business date. One that
shows nothing but what is lent around (a hub or a shared value of a type with ``borrowed_by``)
belongs to the one person who logged in with it on that date, if there is just one.
"""

from __future__ import annotations

from lake.engines.duckdb import Session, quoted
from pipelines.identity.evidence import values
from schemas.identity_rules import IdentityRules

# Successive periods of one person are one stretch.
_BUNDLE_PERSONS = """
CREATE OR REPLACE TEMP TABLE work_bundle_persons AS
WITH periods AS (
  SELECT p.bundle_id, w.valid_from, w.valid_to, h.one_id
  FROM work_places AS p
  JOIN work_periods AS w ON w.bundle_id = p.bundle_id AND w.valid_from = p.valid_from
  JOIN work_holders AS h ON h.node_no = p.node_no
  WHERE p.node_no = p.star_no
),
turning AS (SELECT bundle_id FROM periods GROUP BY bundle_id HAVING count(*) > 1),
marked AS (
  SELECT *, lag(one_id) OVER w IS DISTINCT FROM one_id
    OR lag(valid_to) OVER w IS DISTINCT FROM valid_from AS is_start
  FROM periods WHERE bundle_id IN (SELECT bundle_id FROM turning)
  WINDOW w AS (PARTITION BY bundle_id ORDER BY valid_from)
),
numbered AS (
  SELECT *, sum(CAST(is_start AS INTEGER)) OVER (
    PARTITION BY bundle_id ORDER BY valid_from
  ) AS stretch
  FROM marked
)
SELECT bundle_id, one_id, valid_from, valid_to, false AS is_borrowed FROM periods
WHERE bundle_id NOT IN (SELECT bundle_id FROM turning)
UNION ALL
SELECT bundle_id, any_value(one_id), min(valid_from), max(valid_to), false
FROM numbered GROUP BY bundle_id, stretch
"""

_LENT = """
CREATE OR REPLACE TEMP TABLE work_lent AS
WITH borrowed AS (SELECT * FROM {borrowed})
SELECT s.identifier_key, b.borrower FROM work_screened AS s JOIN borrowed AS b ON b.type = s.type
WHERE s.reason = 'hub'
UNION
SELECT n.identifier_key, b.borrower FROM work_nodes AS n JOIN borrowed AS b ON b.type = n.type
WHERE n.is_shared
"""

_LENT_MEMBERS = """
CREATE OR REPLACE TEMP TABLE work_lent_members AS
WITH lent AS (
  SELECT m.bundle_id, m.identifier_key, l.borrower FROM {members} AS m
  JOIN work_lent AS l ON l.identifier_key = m.identifier_key
)
SELECT l.bundle_id, l.identifier_key, bool_or(o.type = l.borrower) AS is_log_in
FROM lent AS l JOIN {members} AS o ON o.bundle_id = l.bundle_id
GROUP BY l.bundle_id, l.identifier_key
"""

# Bundles that nothing but what is lent could give to somebody, on dates that are nobody's.
_LENT_BUNDLES = """
CREATE OR REPLACE TEMP TABLE work_lent_bundles AS
SELECT DISTINCT bundle_id FROM work_lent_members WHERE NOT is_log_in
"""

_BORROWED = """
INSERT INTO work_bundle_persons
WITH receipts AS (
  SELECT m.bundle_id, m.identifier_key, m.is_log_in, s.business_date
  FROM work_lent_members AS m JOIN {sightings} AS s ON s.bundle_id = m.bundle_id
  GROUP BY ALL
),
known AS (
  SELECT * FROM work_bundle_persons
  UNION ALL BY NAME
  SELECT * FROM {kept}
  WHERE NOT is_borrowed AND bundle_id NOT IN (SELECT bundle_id FROM {redone})
),
owned AS (
  SELECT r.*, k.one_id FROM receipts AS r
  LEFT JOIN known AS k ON k.bundle_id = r.bundle_id
    AND r.business_date >= k.valid_from AND r.business_date < k.valid_to
),
log_ins AS (
  SELECT identifier_key, business_date, min(one_id) AS one_id FROM owned
  WHERE is_log_in AND one_id IS NOT NULL
  GROUP BY identifier_key, business_date HAVING count(DISTINCT one_id) = 1
)
SELECT o.bundle_id, min(g.one_id), o.business_date, o.business_date + 1, true
FROM owned AS o
JOIN log_ins AS g ON g.identifier_key = o.identifier_key AND g.business_date = o.business_date
WHERE NOT o.is_log_in AND o.one_id IS NULL
GROUP BY o.bundle_id, o.business_date HAVING count(DISTINCT g.one_id) = 1
"""


def assign_bundles(session: Session, rules: IdentityRules, kept: str = "") -> None:
    """Make ``work_bundle_persons``, in the columns of ``bundle_persons``; dates are half open.

    ``kept`` names a table of the same columns, which holds for bundles outside the scope.
    """
    session.execute(_BUNDLE_PERSONS)
    lenders = [one for one in rules.types if one.borrowed_by]
    borrowed = [(quoted(one.type), quoted(one.borrowed_by or "")) for one in lenders]
    session.execute(_LENT.format(borrowed=values(borrowed, "type", "borrower")))
    # Whose log-in lends may be outside the scope: then its members are those of everyone.
    members, sightings, redone = "work_members", "work_receipts", "work_bundles"
    if kept:
        members, sightings, redone = "work_everyone", "sightings", "work_scope_bundles"
    session.execute(_LENT_MEMBERS.format(members=members))
    session.execute(_LENT_BUNDLES)
    outside = kept or "(SELECT * FROM work_bundle_persons WHERE false)"
    session.execute(_BORROWED.format(kept=outside, redone=redone, sightings=sightings))
