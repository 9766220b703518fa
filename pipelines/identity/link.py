"""Linking: the nodes (an identifier's stay), and the links that events draw between them.

An event draws a star: its strongest unscreened identifier is joined to each of the others.
"""

from __future__ import annotations

from lake.engines.duckdb import Session

_NODES = """
CREATE OR REPLACE TEMP TABLE work_nodes AS
SELECT identifier_key, tenure, born.type, birth_receipt, birth_path,
  row_number() OVER (ORDER BY birth_receipt, birth_path, identifier_key, tenure) - 1 AS node_no,
  row_number() OVER (ORDER BY strength, identifier_key, tenure) AS rank_no
FROM (
  SELECT m.identifier_key, CAST(0 AS INTEGER) AS tenure, m.type,
    min(b.receipt_no) AS birth_receipt, arg_min(m.path, b.receipt_no) AS birth_path
  FROM work_members AS m JOIN work_bundles AS b ON b.bundle_id = m.bundle_id
  WHERE m.identifier_key NOT IN (SELECT identifier_key FROM work_screened)
  GROUP BY m.identifier_key, m.type
) AS born JOIN work_types ON work_types.type = born.type
"""

_PLACES = """
CREATE OR REPLACE TEMP TABLE work_places AS
SELECT m.bundle_id, n.node_no, first_value(n.node_no) OVER (
  PARTITION BY m.bundle_id ORDER BY n.rank_no
) AS star_no
FROM work_members AS m JOIN work_nodes AS n ON n.identifier_key = m.identifier_key
"""

_LINKS = """
CREATE OR REPLACE TEMP TABLE work_links AS
SELECT p.star_no, p.node_no, min(r.business_date) AS first_on, max(r.business_date) AS last_on,
  count(DISTINCT r.business_date) AS count_days, CAST(sum(r."count") AS BIGINT) AS count_events,
  min(r.receipt_no) AS receipt_no
FROM work_places AS p JOIN work_receipts AS r ON r.bundle_id = p.bundle_id
WHERE p.star_no <> p.node_no
GROUP BY p.star_no, p.node_no
"""


def link(session: Session) -> None:
    """Make the graph; reads the work of ``gather`` and ``screen``.

    ``work_nodes``: every stay of an unscreened identifier, with its birth; ``node_no`` counts
    from 0 in order of birth, so that the least number of a component is its earliest-born node.
    ``work_places``: the nodes of each bundle, each with the strongest of them (star_no).
    ``work_links``: the distinct star edges, with what is known of them over all sightings.
    """
    for statement in (_NODES, _PLACES, _LINKS):
        session.execute(statement)
