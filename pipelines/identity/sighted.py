"""When identifiers were seen, and seen together: counted from the sightings when somebody asks.

A tally is a row of first_on, last_on, count_days, count_events and ``sources``, the same by source.
What is counted lies within the stays asked about, by business date.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from lake.engines.duckdb import Session
from pipelines.identity.evidence import keep

Row = dict[str, Any]
Node = tuple[int, int]
"""(identifier_key, tenure)."""

UNSEEN: Row = {
    "first_on": None, "last_on": None, "count_days": 0, "count_events": 0, "sources": [],
}  # fmt: skip
"""The tally of what was never seen, e.g. two identifiers that only a decision joined."""

WITHIN = (
    "{date} >= coalesce(t.valid_from, DATE '0001-01-01') "
    "AND {date} < coalesce(t.valid_to, DATE '9999-12-31')"
)
_NODES = pa.schema([("identifier_key", pa.int64()), ("tenure", pa.int32())])

_SEEN = f"""
CREATE OR REPLACE TEMP TABLE work_seen AS
WITH standing AS (
  SELECT DISTINCT bundle_id, member.identifier_key AS identifier_key
  FROM (SELECT bundle_id, unnest(identifiers) AS member FROM bundles)
  WHERE member.identifier_key IN (SELECT identifier_key FROM work_asked)
)
SELECT t.identifier_key, t.tenure, s.bundle_id, s.source, s.business_date, s."count"
FROM standing AS m
JOIN work_asked AS a ON a.identifier_key = m.identifier_key
JOIN tenures AS t ON t.identifier_key = a.identifier_key AND t.tenure = a.tenure
  AND t.kind NOT IN ('hub', 'blocked')
JOIN sightings AS s ON s.bundle_id = m.bundle_id AND {WITHIN.format(date="s.business_date")}
"""

# The first two columns are of a stay asked about, the others of what stood beside it.
_BESIDE = f"""
CREATE OR REPLACE TEMP TABLE work_beside AS
WITH wanted AS (
  SELECT CAST(unnest([identifier_key_a, identifier_key_b]) AS BIGINT) AS one_key,
    unnest([tenure_a, tenure_b]) AS one_tenure,
    unnest([identifier_key_b, identifier_key_a]) AS other_key,
    unnest([tenure_b, tenure_a]) AS other_tenure
  FROM work_linked
),
members AS (
  SELECT DISTINCT bundle_id, member.identifier_key AS identifier_key FROM (
    SELECT bundle_id, unnest(identifiers) AS member FROM bundles
    WHERE bundle_id IN (SELECT bundle_id FROM work_seen)
  )
)
SELECT w.identifier_key, w.tenure, t.identifier_key AS other_key, t.tenure AS other_tenure,
  w.source, w.business_date, w."count"
FROM work_seen AS w
JOIN members AS m ON m.bundle_id = w.bundle_id AND m.identifier_key <> w.identifier_key
JOIN tenures AS t ON t.identifier_key = m.identifier_key
  AND {WITHIN.format(date="w.business_date")}
WHERE t.kind IN ('shared', 'hub', 'blocked') OR (
  (w.identifier_key, w.tenure, t.identifier_key, t.tenure) IN (
    SELECT (one_key, one_tenure, other_key, other_tenure) FROM wanted
  )
)
"""

_TALLY = """
SELECT {keys}, source, min(business_date) AS first_on, max(business_date) AS last_on,
  count(DISTINCT business_date) AS count_days, CAST(sum("count") AS BIGINT) AS count_events
FROM {rows} GROUP BY GROUPING SETS (({keys}), ({keys}, source))
ORDER BY {keys}, source NULLS FIRST
"""


def ask(session: Session, stays: Iterable[Node]) -> None:
    """Make ``work_asked`` of the stays, and ``work_seen``: the sightings within each of them.

    What is screened has no sightings there: a tablet in a store may stand on half of all events.
    """
    rows = [{"identifier_key": key, "tenure": tenure} for key, tenure in sorted(set(stays))]
    keep(session, "work_asked", pa.Table.from_pylist(rows, _NODES))
    session.execute(_SEEN)


def of_stays(session: Session) -> dict[Node, Row]:
    """The tally of each stay asked about."""
    found = _tallies(session, "work_seen", "identifier_key", "tenure")
    return {(key, tenure): tally for (key, tenure), tally in found.items()}


def of_pairs(session: Session) -> dict[tuple[Node, Node], Row]:
    """The tallies of events with two identifiers: a stay asked about, and what stood beside it.

    Beside it stand the other ends of its links in ``work_linked``, and all that is shared or
    screened. Of two stays asked about, the pair is given both ways.
    """
    session.execute(_BESIDE)
    keys = ("identifier_key", "tenure", "other_key", "other_tenure")
    found = _tallies(session, "work_beside", *keys)
    return {((a, ta), (b, tb)): tally for (a, ta, b, tb), tally in found.items()}


def together(session: Session, a: int, b: int) -> Row:
    """The tally of the events on which both identifiers stood, whosever they were."""
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_together AS SELECT 0 AS one, source, business_date, "
        '"count" FROM sightings WHERE bundle_id IN (SELECT bundle_id FROM bundles '
        f"WHERE len(list_filter(identifiers, x -> x.identifier_key = {a})) > 0 "
        f"AND len(list_filter(identifiers, x -> x.identifier_key = {b})) > 0)"
    )
    return _tallies(session, "work_together", "one").get((0,), UNSEEN)


def sharers(session: Session) -> dict[Node, list[str]]:
    """The persons to whom events with each stay asked about belong, in order of one_id."""
    found: dict[Node, list[str]] = {}
    rows = session.rows(
        "SELECT DISTINCT w.identifier_key, w.tenure, p.one_id FROM work_seen AS w "
        "JOIN bundle_persons AS p ON p.bundle_id = w.bundle_id "
        "AND w.business_date >= p.valid_from AND w.business_date < p.valid_to ORDER BY ALL"
    )
    for key, tenure, one_id in rows:
        found.setdefault((int(str(key)), int(str(tenure))), []).append(str(one_id))
    return found


def _tallies(session: Session, rows: str, *keys: str) -> dict[tuple[int, ...], Row]:
    found: dict[tuple[int, ...], Row] = {}
    query = _TALLY.format(keys=", ".join(keys), rows=rows)
    for row in session.table(query).to_pylist():
        place = tuple(row.pop(key) for key in keys)
        source = row.pop("source")
        if source is None:
            found[place] = row | {"sources": []}
        else:
            found[place]["sources"].append({"source": source} | row)
    return found
