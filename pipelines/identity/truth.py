"""The truth of the sample world, laid out beside a release; nothing but the evaluation reads it.

``work_truth_events``: attributable and all events by bundle, date and person.
``work_truth_stays``: identifiers with a person who held them alone and was seen with them.
``work_truth_instances``, ``work_truth_named``: instances of traps, and the identifiers they name.
``work_truth_undecided``: pairs of persons whom the evidence may not tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lake.engines.duckdb import Session
from pipelines.components import first_of_each

OPEN_FROM, OPEN_TO = -(2**61), 2**61
"""Microseconds that stand for an open end."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The sample world's truth, as it writes it; rows without a person are left out."""

    identifiers: pa.Table
    """type, value (normalised), person_id, valid_from, valid_to (timestamps, NULL is open, the
    end exclusive), is_shared."""
    events: pa.Table
    """source, event_id, person_id, is_attributable, marks (what was done to the event)."""
    traps: pa.Table
    """trap, person_ids, identifiers (values), decidable."""

    def lay_out(self, session: Session) -> None:
        """Make the ``work_truth_…`` tables, beside the tables of a release."""
        given = {
            "truth_identifiers": self.identifiers,
            "truth_events": self.events,
            "truth_traps": self.traps,
        }
        for name, rows in given.items():
            session.register(name, rows)
        for statement in (
            _EVENTS, _OWN_MEMBERS, _STAYS, _OWN_STAYS, _INSTANCES, _NAMED, _UNDECIDED,
        ):  # fmt: skip
            session.execute(statement)
        for name in given:
            session.con.unregister(name)


_EVENTS = """
CREATE OR REPLACE TEMP TABLE work_truth_events AS
SELECT e.bundle_id, e.business_date, t.person_id,
  coalesce(list_contains(t.marks, 'nullish_anonymous_id'), false) AS is_nullish,
  count(*) AS count_events, count(*) FILTER (WHERE t.is_attributable) AS count_attributable
FROM truth_events AS t
JOIN events AS e ON e.source = t.source AND e.event_id = t.event_id
WHERE t.person_id IS NOT NULL
GROUP BY ALL
"""

_OWN_MEMBERS = """
CREATE OR REPLACE TEMP TABLE work_truth_members AS
SELECT DISTINCT o.bundle_id, o.person_id, b.member.identifier_key AS identifier_key
FROM (SELECT DISTINCT bundle_id, person_id FROM work_truth_events) AS o
JOIN (SELECT bundle_id, unnest(identifiers) AS member FROM bundles) AS b
  ON b.bundle_id = o.bundle_id
"""

_STAYS = f"""
CREATE OR REPLACE TEMP TABLE work_truth_stays AS
SELECT row_number() OVER (ORDER BY identifier_key, person_id) - 1 AS stay_no, *
FROM (
  SELECT i.identifier_key, t.person_id,
    min(coalesce(epoch_us(CAST(t.valid_from AS TIMESTAMPTZ)), {OPEN_FROM})) AS valid_from,
    max(coalesce(epoch_us(CAST(t.valid_to AS TIMESTAMPTZ)), {OPEN_TO})) AS valid_to
  FROM truth_identifiers AS t
  JOIN identifiers AS i ON i.type = t.type AND i.value = t.value
  WHERE t.person_id IS NOT NULL
  GROUP BY i.identifier_key, t.person_id
  HAVING NOT bool_or(t.is_shared)
)
WHERE (identifier_key, person_id) IN (SELECT (identifier_key, person_id) FROM work_truth_members)
"""

_OWN_STAYS = """
CREATE OR REPLACE TEMP TABLE work_truth_own_stays AS
SELECT DISTINCT s.stay_no, min(s.stay_no) OVER (PARTITION BY m.bundle_id, m.person_id) AS first_no
FROM work_truth_members AS m
JOIN work_truth_stays AS s ON s.identifier_key = m.identifier_key AND s.person_id = m.person_id
"""

_INSTANCES = """
CREATE OR REPLACE TEMP TABLE work_truth_instances AS
SELECT row_number() OVER () - 1 AS instance_no, trap, person_ids, identifiers, decidable
FROM truth_traps
"""

# The identifiers that instances name, in their order; a value may be there under several types.
_NAMED = """
CREATE OR REPLACE TEMP TABLE work_truth_named AS
SELECT n.instance_no, n.place, i.type, i.identifier_key
FROM (
  SELECT instance_no, unnest(identifiers) AS value,
    generate_subscripts(identifiers, 1) - 1 AS place
  FROM work_truth_instances
) AS n JOIN identifiers AS i ON i.value = n.value
"""

_UNDECIDED = """
CREATE OR REPLACE TEMP TABLE work_truth_undecided AS
WITH named AS (
  SELECT instance_no, decidable, unnest(person_ids) AS person_id
  FROM work_truth_instances WHERE NOT decidable OR len(person_ids) = 2
),
pairs AS (
  SELECT a.person_id AS person_a, b.person_id AS person_b, a.decidable
  FROM named AS a JOIN named AS b ON b.instance_no = a.instance_no AND a.person_id < b.person_id
)
SELECT person_a, person_b FROM pairs GROUP BY person_a, person_b HAVING NOT bool_or(decidable)
"""


def own_chains(session: Session) -> npt.NDArray[np.int64]:
    """For each of ``work_truth_stays`` the least that its person's own events join it to."""
    edges = session.table(
        "SELECT stay_no, first_no FROM work_truth_own_stays WHERE stay_no <> first_no"
    )
    ((count,),) = session.rows("SELECT count(*) FROM work_truth_stays")
    assert isinstance(count, int)
    ends = (np.asarray(edges[name].to_numpy(), np.int64) for name in ("stay_no", "first_no"))
    return first_of_each(count, *ends)
