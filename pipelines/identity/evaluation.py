"""How well identity was resolved, against a truth that only the evaluation may see.

Elements are *stays*: an identifier with a person who held it, once it was seen on an event of
that person. Identifiers that several held at one time stand outside. A pair of stays counts where
both were valid at one time. It is true where the two are of one person and joined by a chain of
this person's own events; it is found where both are with one one_id. Pairs of one person without
such a chain count neither for nor against. So with T true, F found, N found of one person but not
joined by evidence: precision = |T ∩ F| / (|F| - |N|), recall = |T ∩ F| / |T|.

An event is attributed rightly where its one_id stands for its person: for the one with most
attributable events of that one_id. Of the attributable events received so far, those without a
one_id count as wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lake.engines.duckdb import Session
from pipelines.identity.components import first_of_each
from pipelines.identity.evidence import gather, working
from pipelines.identity.publish import assign_bundles
from pipelines.identity.resolve import unite
from schemas.identity_rules import IdentityRules

Ints = npt.NDArray[np.int64]
OPEN_FROM, OPEN_TO = -(2**61), 2**61


@dataclass(frozen=True, slots=True)
class Score:
    """How one way of resolving did; shares are None where nothing was to be counted."""

    method: str
    precision: float | None
    """Of the pairs found, how many are true."""
    recall: float | None
    """Of the true pairs, how many were found."""
    attribution: float | None
    """Of the attributable events, how many have the right person."""
    count_pairs_true: int
    count_pairs_found: int
    count_pairs_right: int
    count_persons: int
    largest_person: int
    """Identifiers of the person who has most."""


def evaluate(
    session: Session,
    rules: IdentityRules,
    truth_identifiers: pa.Table,
    truth_events: pa.Table,
) -> list[Score]:
    """Scores of what is published, of blocked values alone, and of plain connected components.

    ``session`` shows a release. ``truth_identifiers`` has type, value (normalised), person_id,
    valid_from, valid_to (timestamps, NULL is open, the end exclusive) and is_shared;
    ``truth_events`` has source, event_id, person_id and is_attributable. Both are as the sample
    world writes them; rows without a person are left out.
    """
    with working(session):
        _lay_out_truth(session, truth_identifiers, truth_events)
        chains = _chains(session)
        scores = []
        _take_published(session)
        scores.append(_score(session, "published", chains))
        gather(session, rules)
        for method, variant in (
            ("blocked values only", rules.without_limits()),
            ("plain components", rules.without_screen()),
        ):
            unite(session, variant)
            assign_bundles(session)
            _take_decided(session)
            scores.append(_score(session, method, chains))
        return scores


def _lay_out_truth(session: Session, identifiers: pa.Table, events: pa.Table) -> None:
    """``work_truth_counts`` (bundle, date, person, events) and ``work_stays``, numbered from 0."""
    session.register("truth_identifiers", identifiers)
    session.register("truth_events", events)
    session.execute(_TRUTH_COUNTS)
    session.execute(_OWN_MEMBERS)
    session.execute(_STAYS)
    session.execute(_OWN_STAYS)
    session.con.unregister("truth_identifiers")
    session.con.unregister("truth_events")


_TRUTH_COUNTS = """
CREATE OR REPLACE TEMP TABLE work_truth_counts AS
SELECT e.bundle_id, e.business_date, t.person_id, count(*) AS count_events,
  count(*) FILTER (WHERE t.is_attributable) AS count_attributable
FROM truth_events AS t
JOIN events AS e ON e.source = t.source AND e.event_id = t.event_id
WHERE t.person_id IS NOT NULL
GROUP BY ALL
"""

_OWN_MEMBERS = """
CREATE OR REPLACE TEMP TABLE work_own_members AS
SELECT DISTINCT o.bundle_id, o.person_id, b.member.identifier_key AS identifier_key
FROM (SELECT DISTINCT bundle_id, person_id FROM work_truth_counts) AS o
JOIN (SELECT bundle_id, unnest(identifiers) AS member FROM bundles) AS b
  ON b.bundle_id = o.bundle_id
"""

_STAYS = f"""
CREATE OR REPLACE TEMP TABLE work_stays AS
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
WHERE (identifier_key, person_id) IN (SELECT (identifier_key, person_id) FROM work_own_members)
"""

_OWN_STAYS = """
CREATE OR REPLACE TEMP TABLE work_own_stays AS
SELECT DISTINCT s.stay_no, min(s.stay_no) OVER (PARTITION BY m.bundle_id, m.person_id) AS first_no
FROM work_own_members AS m
JOIN work_stays AS s ON s.identifier_key = m.identifier_key AND s.person_id = m.person_id
"""


def _chains(session: Session) -> Ints:
    """For each stay the least stay that its person's own events join it to."""
    edges = session.table("SELECT stay_no, first_no FROM work_own_stays WHERE stay_no <> first_no")
    ((count,),) = session.rows("SELECT count(*) FROM work_stays")
    assert isinstance(count, int)
    return first_of_each(count, _ints(edges["stay_no"]), _ints(edges["first_no"]))


def _take_published(session: Session) -> None:
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_found_tenures AS "
        "SELECT identifier_key, tenure, one_id, "
        f"coalesce(epoch_us(valid_from), {OPEN_FROM}) AS valid_from, "
        f"coalesce(epoch_us(valid_to), {OPEN_TO}) AS valid_to "
        "FROM tenures WHERE one_id IS NOT NULL"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_found_bundles AS SELECT * FROM bundle_persons"
    )


def _take_decided(session: Session) -> None:
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_found_tenures AS "
        "SELECT identifier_key, tenure, one_id, "
        f"{OPEN_FROM} AS valid_from, {OPEN_TO} AS valid_to FROM work_holders"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_found_bundles AS "
        "SELECT bundle_id, one_id, DATE '0001-01-01' AS valid_from, DATE '9999-12-31' AS valid_to "
        "FROM work_bundle_persons"
    )


_FOUND = """
SELECT s.stay_no, s.valid_from, s.valid_to,
  dense_rank() OVER (ORDER BY s.person_id) AS person_code,
  coalesce(dense_rank() OVER (ORDER BY f.one_id NULLS LAST), 0) AS one_code,
  f.one_id IS NULL AS is_nobody
FROM work_stays AS s
LEFT JOIN (
  SELECT s.stay_no, t.one_id, row_number() OVER (
    PARTITION BY s.stay_no
    ORDER BY least(s.valid_to, t.valid_to) - greatest(s.valid_from, t.valid_from) DESC, t.tenure
  ) AS place
  FROM work_stays AS s JOIN work_found_tenures AS t ON t.identifier_key = s.identifier_key
) AS f ON f.stay_no = s.stay_no AND f.place = 1
ORDER BY s.stay_no
"""


def _score(session: Session, method: str, chains: Ints) -> Score:
    found = session.table(_FOUND)
    start, end = _ints(found["valid_from"]), _ints(found["valid_to"])
    person = _ints(found["person_code"])
    # A stay without a one_id is a person of its own, whom no other number means.
    alone = np.asarray(found["is_nobody"].to_numpy(), bool)
    one = np.where(alone, -1 - np.arange(len(chains)), _ints(found["one_code"]))
    count_true = count_pairs(chains, start, end)
    count_right = count_pairs(_both(one, chains), start, end)
    count_own = count_pairs(_both(one, person), start, end)
    count_found = count_pairs(one, start, end) - (count_own - count_right)
    ((persons, largest),) = session.rows(
        "SELECT count(*), coalesce(max(held), 0) FROM (SELECT count(DISTINCT identifier_key) "
        "AS held FROM work_found_tenures GROUP BY one_id)"
    )
    return Score(
        method,
        _share(count_right, count_found),
        _share(count_right, count_true),
        _attribution(session),
        count_true,
        count_found,
        count_right,
        int(str(persons)),
        int(str(largest)),
    )


def count_pairs(group: Ints, start: Ints, end: Ints) -> int:
    """Pairs of elements of one group whose intervals [start, end) overlap; no interval is empty.

    Counted as all pairs less those where one ends before the other starts, in O(n log n), so that
    a group of thousands costs no more than its size.
    """
    if len(group) == 0:
        return 0
    _, code, size = np.unique(group, return_inverse=True, return_counts=True)
    every = int((size * (size - 1) // 2).sum())
    moments, place = np.unique(np.concatenate([start, end]), return_inverse=True)
    starts, ends = place[: len(start)], place[len(start) :]
    width = len(moments) + 1
    ended = np.sort(code * width + ends)
    before = np.searchsorted(ended, code * width + starts, side="right")
    return every - int((before - np.searchsorted(ended, code * width)).sum())


def _attribution(session: Session) -> float | None:
    ((right, total),) = session.rows(
        """
        WITH told AS (
          SELECT b.one_id, c.person_id, sum(c.count_attributable) AS count_events
          FROM work_truth_counts AS c
          LEFT JOIN work_found_bundles AS b ON b.bundle_id = c.bundle_id
            AND c.business_date >= b.valid_from AND c.business_date < b.valid_to
          GROUP BY ALL
        ),
        meant AS (
          SELECT max(count_events) AS count_events FROM told WHERE one_id IS NOT NULL
          GROUP BY one_id
        )
        SELECT CAST((SELECT coalesce(sum(count_events), 0) FROM meant) AS BIGINT),
          CAST((SELECT coalesce(sum(count_events), 0) FROM told) AS BIGINT)
        """
    )
    return _share(int(str(right)), int(str(total)))


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _both(a: Ints, b: Ints) -> Ints:
    """A code for each distinct pair (a, b)."""
    _, a_code = np.unique(a, return_inverse=True)
    values, b_code = np.unique(b, return_inverse=True)
    return np.asarray(a_code * max(1, len(values)) + b_code, np.int64)


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(), np.int64)
