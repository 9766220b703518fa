"""Raw components: which identifiers may influence one another, and where dates decide.

What a bundle shows together, or a person's decision links, is of one component, screened values
left out; that is wider than what is linked, since a decision about one identifier reads the
meetings of its partners.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lake.engines.duckdb import Session
from pipelines.identity.evidence import keep
from pipelines.identity.labels import Label, here

_CODES = """
CREATE OR REPLACE TEMP TABLE work_codes AS
SELECT identifier_key, row_number() OVER (ORDER BY identifier_key) - 1 AS code
FROM (SELECT DISTINCT identifier_key FROM work_usable)
"""

_EDGES = """
WITH least_of AS (
  SELECT bundle_id, min(identifier_key) AS least_key FROM work_usable GROUP BY bundle_id
)
SELECT DISTINCT a.code AS a, b.code AS b
FROM work_usable AS u
JOIN least_of AS l ON l.bundle_id = u.bundle_id AND l.least_key <> u.identifier_key
JOIN work_codes AS a ON a.identifier_key = l.least_key
JOIN work_codes AS b ON b.identifier_key = u.identifier_key
UNION
SELECT a.code, b.code FROM work_decisions AS d
JOIN work_codes AS a ON a.identifier_key = d.identifier_key_a
JOIN work_codes AS b ON b.identifier_key = d.identifier_key_b
WHERE d.kind = 'link'
"""

_RAW_COMPONENTS = """
CREATE OR REPLACE TEMP TABLE work_raw_components AS
WITH dated AS (
  SELECT identifier_key FROM work_rivalled
  UNION ALL
  SELECT n.identifier_key FROM work_dated AS d JOIN work_nodes AS n ON n.node_no = d.node_no
),
labelled AS (
  SELECT c.identifier_key, least_one.identifier_key AS component
  FROM work_codes AS c
  JOIN work_labels AS l ON l.code = c.code
  JOIN work_codes AS least_one ON least_one.code = l.first_code
)
SELECT identifier_key, component, component IN (
  SELECT component FROM labelled WHERE identifier_key IN (SELECT identifier_key FROM dated)
) AS is_dated
FROM labelled
"""


def label_components(session: Session, label: Label = here) -> None:
    """Make ``work_raw_components``, in the columns of ``raw_components``, as found by ``label``."""
    session.execute(_CODES)
    ((count,),) = session.rows("SELECT count(*) FROM work_codes")
    first = label(session, int(str(count)), _EDGES)
    keep(session, "work_labels", pa.table({"code": np.arange(len(first)), "first_code": first}))
    session.execute(_RAW_COMPONENTS)
