"""Publishing: the tables that a resolution gives, written into the draft."""

from __future__ import annotations

from lake.draft import Draft
from lake.engines.duckdb import Session

_BUNDLE_PERSONS = """
CREATE OR REPLACE TEMP TABLE work_bundle_persons AS
SELECT p.bundle_id, h.one_id FROM work_places AS p
JOIN work_holders AS h ON h.node_no = p.node_no
WHERE p.node_no = p.star_no
"""

_TENURES = """
SELECT m.identifier_key, coalesce(h.tenure, 0) AS tenure, m.type, h.one_id,
  coalesce(s.reason, 'sole') AS kind, NULL AS valid_from, NULL AS valid_to,
  m.first_at, m.last_at, m.count_sightings
FROM (
  SELECT m.identifier_key, m.type, min(b.first_at) AS first_at, max(b.last_at) AS last_at,
    CAST(sum(b."count") AS BIGINT) AS count_sightings
  FROM work_members AS m JOIN work_bundles AS b ON b.bundle_id = m.bundle_id
  GROUP BY m.identifier_key, m.type
) AS m
LEFT JOIN work_holders AS h ON h.identifier_key = m.identifier_key
LEFT JOIN work_screened AS s ON s.identifier_key = m.identifier_key
"""

_LINKS = """
SELECT least(a.identifier_key, b.identifier_key) AS identifier_key_a,
  CASE WHEN a.identifier_key < b.identifier_key THEN a.tenure ELSE b.tenure END AS tenure_a,
  greatest(a.identifier_key, b.identifier_key) AS identifier_key_b,
  CASE WHEN a.identifier_key < b.identifier_key THEN b.tenure ELSE a.tenure END AS tenure_b,
  'accepted' AS status, NULL AS rule, NULL AS blocker,
  l.first_on, l.last_on, l.count_days, l.count_events, r.received_at, r.source, r.event_id
FROM work_links AS l
JOIN work_nodes AS a ON a.node_no = l.star_no
JOIN work_nodes AS b ON b.node_no = l.node_no
JOIN work_receipts AS r ON r.receipt_no = l.receipt_no
"""

_NEW_NUMBERS = """
SELECT one_id, row_number() OVER (ORDER BY first_no) - 1
  + (SELECT coalesce(max(person_no) + 1, 0) FROM person_numbers) AS person_no
FROM work_named
WHERE one_id NOT IN (SELECT one_id FROM person_numbers)
"""

_PERSONS = """
SELECT p.one_id, n.person_no, p.born_at, p.birth_source, p.birth_event_id, p.birth_path,
  h.count_identifiers, s.first_seen_at, s.last_seen_at
FROM work_named AS p
JOIN person_numbers AS n ON n.one_id = p.one_id
JOIN (
  SELECT one_id, count(DISTINCT identifier_key) AS count_identifiers
  FROM work_holders GROUP BY one_id
) AS h ON h.one_id = p.one_id
JOIN (
  SELECT bp.one_id, min(b.first_at) AS first_seen_at, max(b.last_at) AS last_seen_at
  FROM work_bundle_persons AS bp JOIN work_bundles AS b ON b.bundle_id = bp.bundle_id
  GROUP BY bp.one_id
) AS s ON s.one_id = p.one_id
"""

_ALWAYS = """
SELECT bundle_id, one_id, DATE '0001-01-01' AS valid_from, DATE '9999-12-31' AS valid_to
FROM work_bundle_persons
"""


def assign_bundles(session: Session) -> None:
    """Make ``work_bundle_persons``: each bundle with an unscreened identifier, and its person."""
    session.execute(_BUNDLE_PERSONS)


def publish_state(draft: Draft) -> None:
    """Write what holds now; person_no goes to new persons only, in order of birth."""
    draft.replace("screened", "SELECT * FROM work_screened")
    draft.replace("tenures", _TENURES)
    draft.replace("links", _LINKS)
    draft.append("person_numbers", _NEW_NUMBERS)
    draft.replace("persons", _PERSONS)
    draft.replace("bundle_persons", _ALWAYS)
