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

Instances of traps that nobody can decide are not scored: where one names two persons, no decidable
instance of two names them as well, and a one_id holds stays of these two and of no third, then
neither do the pairs of these two in it count, nor the events of the one where it stands for the
other. Over three persons nothing is excused.

Beside these figures stand the same with nothing excused (``…_all``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lake.engines.duckdb import Session
from pipelines.identity import traps
from pipelines.identity.assign import assign_bundles
from pipelines.identity.decisions import in_force
from pipelines.identity.evidence import gather, working
from pipelines.identity.resolve import unite
from pipelines.identity.truth import OPEN_FROM, OPEN_TO, Truth, own_chains
from schemas.identity_rules import IdentityRules

Ints = npt.NDArray[np.int64]


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
    precision_all: float | None
    """The same with nothing excused; recall excuses nothing anyway."""
    attribution_all: float | None
    count_pairs_true: int
    count_pairs_found: int
    count_pairs_right: int
    count_persons: int
    largest_person: int
    """Identifiers of the person who has most."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is published and the plainer methods beside it, and how each trap fared."""

    methods: tuple[Score, ...]
    """What is published first."""
    traps: tuple[traps.TrapScore, ...]
    """Of what is published, by name of the trap."""


def evaluate(session: Session, rules: IdentityRules, truth: Truth) -> Evaluation:
    """Scores of what is published, and of limits without tenures, hubs only, plain components.

    ``session`` shows a release; the plainer methods are worked out anew from its evidence.
    """
    with working(session):
        truth.lay_out(session)
        chains = own_chains(session)
        _take_published(session)
        scores = [_score(session, "published", chains)]
        handled = traps.score(session, chains)
        in_force(session)
        gather(session, rules)
        for method, variant in (
            ("limits without tenures", rules.without_tenures()),
            ("hubs only", rules.without_limits()),
            ("plain components", rules.without_screen()),
        ):
            unite(session, variant)
            assign_bundles(session, variant)
            _take_decided(session)
            scores.append(_score(session, method, chains))
        return Evaluation(tuple(scores), tuple(handled))


def _take_published(session: Session) -> None:
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_found_tenures AS "
        "SELECT identifier_key, tenure, one_id, "
        f"coalesce(epoch_us(CAST(valid_from AS TIMESTAMP)), {OPEN_FROM}) AS valid_from, "
        f"coalesce(epoch_us(CAST(valid_to AS TIMESTAMP)), {OPEN_TO}) AS valid_to "
        "FROM tenures WHERE one_id IS NOT NULL"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_found_bundles AS SELECT * FROM bundle_persons"
    )


def _take_decided(session: Session) -> None:
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_found_tenures AS "
        "SELECT n.identifier_key, n.tenure, h.one_id, "
        "epoch_us(CAST(n.valid_from AS TIMESTAMP)) AS valid_from, "
        "epoch_us(CAST(n.valid_to AS TIMESTAMP)) AS valid_to "
        "FROM work_nodes AS n JOIN work_holders AS h ON h.node_no = n.node_no"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_found_bundles AS SELECT * FROM work_bundle_persons"
    )


_FOUND = """
CREATE OR REPLACE TEMP TABLE work_found_stays AS
SELECT s.*, f.one_id
FROM work_truth_stays AS s
LEFT JOIN (
  SELECT s.stay_no, t.one_id, row_number() OVER (
    PARTITION BY s.stay_no
    ORDER BY least(s.valid_to, t.valid_to) - greatest(s.valid_from, t.valid_from) DESC, t.tenure
  ) AS place
  FROM work_truth_stays AS s
  JOIN work_found_tenures AS t ON t.identifier_key = s.identifier_key
) AS f ON f.stay_no = s.stay_no AND f.place = 1
"""

_CODES = """
SELECT stay_no, valid_from, valid_to, dense_rank() OVER (ORDER BY person_id) AS person_code,
  dense_rank() OVER (ORDER BY one_id NULLS LAST) AS one_code, one_id IS NULL AS is_nobody
FROM work_found_stays ORDER BY stay_no
"""


def _score(session: Session, method: str, chains: Ints) -> Score:
    session.execute(_FOUND)
    session.execute(_EXCUSED)
    found = session.table(_CODES)
    start, end = _ints(found["valid_from"]), _ints(found["valid_to"])
    person = _ints(found["person_code"])
    # A stay without a one_id is a person of its own, whom no other number means.
    alone = np.asarray(found["is_nobody"].to_numpy(), bool)
    one = np.where(alone, -1 - np.arange(len(chains)), _ints(found["one_code"]))
    count_true = count_pairs(chains, start, end)
    count_right = count_pairs(_both(one, chains), start, end)
    count_own = count_pairs(_both(one, person), start, end)
    count_found = count_pairs(one, start, end) - (count_own - count_right)
    excused = _count(session, _EXCUSED_PAIRS)
    right, events, excused_events = _attribution(session)
    ((persons, largest),) = session.rows(
        "SELECT count(*), coalesce(max(held), 0) FROM (SELECT count(DISTINCT identifier_key) "
        "AS held FROM work_found_tenures GROUP BY one_id)"
    )
    return Score(
        method,
        _share(count_right, count_found - excused),
        _share(count_right, count_true),
        _share(right, events - excused_events),
        _share(count_right, count_found),
        _share(right, events),
        count_true,
        count_found - excused,
        count_right,
        int(str(persons)),
        int(str(largest)),
    )


_EXCUSED = """
CREATE OR REPLACE TEMP TABLE work_found_excused AS
SELECT f.one_id, f.person_a, f.person_b
FROM (
  SELECT one_id, min(person_id) AS person_a, max(person_id) AS person_b
  FROM work_found_stays WHERE one_id IS NOT NULL
  GROUP BY one_id HAVING count(DISTINCT person_id) = 2
) AS f
SEMI JOIN work_truth_undecided AS u USING (person_a, person_b)
"""

_EXCUSED_PAIRS = """
SELECT count(*)
FROM work_found_excused AS e
JOIN work_found_stays AS a ON a.one_id = e.one_id AND a.person_id = e.person_a
JOIN work_found_stays AS b ON b.one_id = e.one_id AND b.person_id = e.person_b
WHERE a.valid_from < b.valid_to AND b.valid_from < a.valid_to
"""


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


_ATTRIBUTION = """
WITH told AS (
  SELECT b.one_id, c.person_id, sum(c.count_attributable) AS count_events
  FROM work_truth_events AS c
  LEFT JOIN work_found_bundles AS b ON b.bundle_id = c.bundle_id
    AND c.business_date >= b.valid_from AND c.business_date < b.valid_to
  GROUP BY b.one_id, c.person_id
),
placed AS (
  SELECT *, one_id IS NOT NULL AND row_number() OVER (
    PARTITION BY one_id ORDER BY count_events DESC, person_id
  ) = 1 AS is_meant
  FROM told
)
SELECT CAST(coalesce(sum(count_events) FILTER (WHERE is_meant), 0) AS BIGINT),
  CAST(coalesce(sum(count_events), 0) AS BIGINT),
  CAST(coalesce(sum(count_events) FILTER (
    WHERE NOT is_meant AND e.one_id IS NOT NULL AND person_id IN (e.person_a, e.person_b)
  ), 0) AS BIGINT)
FROM placed LEFT JOIN work_found_excused AS e ON e.one_id = placed.one_id
"""


def _attribution(session: Session) -> tuple[int, int, int]:
    """Attributable events: those rightly attributed, all, and those excused."""
    ((right, every, excused),) = session.rows(_ATTRIBUTION)
    return int(str(right)), int(str(every)), int(str(excused))


def _count(session: Session, sql: str) -> int:
    ((count,),) = session.rows(sql)
    assert isinstance(count, int)
    return count


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _both(a: Ints, b: Ints) -> Ints:
    """A code for each distinct pair (a, b)."""
    _, a_code = np.unique(a, return_inverse=True)
    values, b_code = np.unique(b, return_inverse=True)
    return np.asarray(a_code * max(1, len(values)) + b_code, np.int64)


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(), np.int64)
