"""Stays: when an identifier passed from one holder to the next, and where it is shared.

Between two islands of holders lies a border, in the longest silence of the identifier between
them. A border is void where a holder of a stronger type was there on both sides of it. Several
holders at one time mean sharing; of ``overlap: strongest`` only where nobody of a stronger type is.
"""

from __future__ import annotations

from lake.engines.duckdb import Session

_DAYS = """
CREATE OR REPLACE TEMP TABLE work_days AS
SELECT identifier_key, business_date, lag(business_date) OVER (
  PARTITION BY identifier_key ORDER BY business_date
) AS before
FROM (
  SELECT DISTINCT u.identifier_key, r.business_date
  FROM work_usable AS u JOIN work_receipts AS r ON r.bundle_id = u.bundle_id
  WHERE u.identifier_key IN (
    SELECT identifier_key FROM work_islands GROUP BY identifier_key, partner_type
    HAVING count(*) > 1
  )
)
"""

_BORDERS = """
CREATE OR REPLACE TEMP TABLE work_borders AS
WITH between_islands AS (
  SELECT i.identifier_key, i.partner_type, i.last_on AS ended_on, lead(i.first_on) OVER (
    PARTITION BY i.identifier_key, i.partner_type ORDER BY i.island
  ) AS began_on
  FROM work_islands AS i
  WHERE i.identifier_key NOT IN (SELECT identifier_key FROM work_shared_for_life)
    AND i.identifier_key IN (SELECT identifier_key FROM work_transferable)
),
silences AS (
  SELECT b.*, d.business_date AS border, row_number() OVER (
    PARTITION BY b.identifier_key, b.partner_type, b.ended_on
    ORDER BY d.business_date - d.before DESC, d.business_date
  ) AS place
  FROM between_islands AS b
  JOIN work_days AS d ON d.identifier_key = b.identifier_key
    AND d.business_date > b.ended_on AND d.business_date <= b.began_on
  WHERE b.began_on IS NOT NULL
)
SELECT identifier_key, partner_type, border FROM silences WHERE place = 1
"""

_TRANSFERABLE = """
CREATE OR REPLACE TEMP TABLE work_transferable AS
SELECT DISTINCT p.identifier_key FROM work_partners AS p
JOIN work_exclusive AS e ON e.type = p.type AND e.is_transferable
WHERE p.identifier_key IN (SELECT identifier_key FROM work_rivalled)
"""

_SPANS = """
CREATE OR REPLACE TEMP TABLE work_spans AS
SELECT m.identifier_key, t.strength, min(m.business_date) AS first_on,
  max(m.business_date) AS last_on
FROM work_meetings AS m
JOIN work_types AS t ON t.type = m.partner_type
ANTI JOIN work_passing AS p
  ON p.identifier_key = m.identifier_key AND p.partner_key = m.partner_key
WHERE m.partner_key NOT IN (SELECT identifier_key FROM work_shared_for_life)
GROUP BY m.identifier_key, m.partner_key, t.strength
"""

_VALID_BORDERS = """
CREATE OR REPLACE TEMP TABLE work_valid_borders AS
SELECT DISTINCT b.identifier_key, b.border
FROM work_borders AS b JOIN work_types AS t ON t.type = b.partner_type
WHERE NOT EXISTS (
  SELECT 1 FROM work_spans AS s WHERE s.identifier_key = b.identifier_key
    AND s.strength < t.strength AND s.first_on < b.border AND s.last_on >= b.border
)
"""

# Only of identifiers that have a border or are shared; any other has the one open stay.
_STAYS = """
CREATE OR REPLACE TEMP TABLE work_stays AS
WITH starts AS (
  SELECT identifier_key, border AS valid_from FROM work_valid_borders
  UNION
  SELECT identifier_key, DATE '0001-01-01' FROM work_valid_borders
  UNION
  SELECT identifier_key, DATE '0001-01-01' FROM work_islands WHERE count_holders > 1
),
stays AS (
  SELECT identifier_key, valid_from,
    CAST(row_number() OVER (PARTITION BY identifier_key ORDER BY valid_from) - 1 AS INTEGER)
      AS tenure,
    coalesce(
      lead(valid_from) OVER (PARTITION BY identifier_key ORDER BY valid_from), DATE '9999-12-31'
    ) AS valid_to
  FROM starts
)
SELECT s.*, EXISTS (
  SELECT 1 FROM work_islands AS i
  JOIN work_types AS t ON t.type = i.partner_type
  WHERE i.identifier_key = s.identifier_key
    AND i.count_holders > 1 AND i.first_on < s.valid_to AND i.last_on >= s.valid_from
    AND NOT (i.is_strongest AND EXISTS (
      SELECT 1 FROM work_spans AS h WHERE h.identifier_key = s.identifier_key
        AND h.strength < t.strength AND h.first_on < s.valid_to AND h.last_on >= s.valid_from
    ))
) AS is_shared
FROM stays AS s
"""


def divide(session: Session) -> None:
    """Make ``work_stays``: (identifier_key, tenure, valid_from, valid_to, is_shared).

    Reads the work of ``weigh``. Dates are business dates, the end exclusive, 0001-01-01 and
    9999-12-31 are open. An identifier that is not in it has one open stay, unshared.
    """
    for statement in (_TRANSFERABLE, _DAYS, _BORDERS, _SPANS, _VALID_BORDERS, _STAYS):
        session.execute(statement)
