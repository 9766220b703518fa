"""Contested components: where something must be weighed before it is known who is one person.

A component of usable identifiers is one person as it stands, with all its links, unless a value
has several partners of a type of which the rules allow one at a time, or the component as a whole
more values of a type than a person may have, or a decision names one of its identifiers. Only
such components go through the resolution of ``pipelines.identity``, and its verifier after it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lake.engines.duckdb import Session, quoted
from pipelines.edges.evidence import lay_out
from pipelines.edges.graph import Flags, Graph
from pipelines.edges.screening import partners
from pipelines.edges.texts import Ints
from pipelines.identity.assign import assign_bundles
from pipelines.identity.evidence import rank
from pipelines.identity.limits import limits, without_dates
from pipelines.identity.publish import STAY_KIND
from pipelines.identity.resolve import decide_links
from pipelines.identity.verify import verify
from schemas.identity_rules import IdentityRules

STAYS = 1_000_000
"""More than an identifier can have stays."""

# Of a value that changed hands, each stay has a name of its own.
_NAMED = """
CREATE OR REPLACE TEMP TABLE work_named AS
SELECT c.first_no, min(n.identifier_key * {stays} + n.tenure) AS least,
  CAST(min(n.identifier_key * {stays} + n.tenure) AS VARCHAR) AS one_id
FROM work_components AS c JOIN work_nodes AS n ON n.node_no = c.node_no
GROUP BY c.first_no
HAVING count(*) FILTER (WHERE NOT n.is_shared AND n.type NOT IN ({never_alone})) > 0
"""

_HOLDERS = """
CREATE OR REPLACE TEMP TABLE work_holders AS
SELECT c.node_no, n.identifier_key, n.tenure, n.type, p.one_id, p.least
FROM work_components AS c
JOIN work_nodes AS n ON n.node_no = c.node_no
JOIN work_named AS p ON p.first_no = c.first_no
"""

_STAYS = f"""
SELECT n.identifier_key AS number, CAST(n.tenure AS INTEGER) AS tenure, h.least,
  {STAY_KIND} AS kind,
  nullif(n.valid_from, DATE '0001-01-01') AS valid_from,
  nullif(n.valid_to, DATE '9999-12-31') AS valid_to
FROM work_nodes AS n LEFT JOIN work_holders AS h ON h.node_no = n.node_no
ORDER BY number, tenure
"""

_LINKS = """
WITH seen AS (
  SELECT least(p.star_no, p.node_no) AS low_no, greatest(p.star_no, p.node_no) AS high_no,
    p.bundle_id, min(r.first_at) FILTER (WHERE r.is_dated) AS first_at,
    max(r.last_at) FILTER (WHERE r.is_dated) AS last_at, sum(r."count") AS "count"
  FROM work_places AS p
  JOIN work_periods AS w ON w.bundle_id = p.bundle_id AND w.valid_from = p.valid_from
  JOIN work_receipts AS r ON r.bundle_id = p.bundle_id
    AND r.business_date >= w.valid_from AND r.business_date < w.valid_to
  WHERE p.star_no <> p.node_no
  GROUP BY ALL
),
ends AS (
  SELECT l.*, s.bundle_id, s.first_at, s.last_at, s."count",
    a.identifier_key AS key_a, a.tenure AS tenure_one,
    b.identifier_key AS key_b, b.tenure AS tenure_other
  FROM work_links AS l
  JOIN work_nodes AS a ON a.node_no = l.a_no
  JOIN work_nodes AS b ON b.node_no = l.b_no
  LEFT JOIN seen AS s ON s.low_no = least(l.a_no, l.b_no) AND s.high_no = greatest(l.a_no, l.b_no)
)
SELECT least(key_a, key_b) AS a, greatest(key_a, key_b) AS b,
  CAST(CASE WHEN key_a < key_b THEN tenure_one ELSE tenure_other END AS INTEGER) AS tenure_a,
  CAST(CASE WHEN key_a < key_b THEN tenure_other ELSE tenure_one END AS INTEGER) AS tenure_b,
  status, rule, blocker, evidence, epoch_us(first_at) AS first_seen, epoch_us(last_at) AS last_seen,
  CAST(coalesce("count", 0) AS BIGINT) AS "count", coalesce(bundle_id, -1) AS pair
FROM ends ORDER BY a, tenure_a, b, tenure_b
"""


@dataclass(frozen=True, slots=True)
class Contested:
    """What became of the contested components."""

    stays: pa.Table
    """number, tenure, least (number * ``STAYS`` + tenure of the holder's least stay, NULL without a
    holder), kind, valid_from, valid_to; in order of number and tenure."""
    links: pa.Table
    """a, b (numbers), tenures, status, rule, blocker, evidence, what was seen, pair (or -1)."""


def components(graph: Graph, usable: Flags) -> npt.NDArray[np.int32]:
    """Of each identifier the least number that usable pairs join it to."""
    from pipelines.components.kernels import flatten
    from pipelines.edges.kernels import unite_pairs

    first = np.arange(len(graph.keys), dtype=np.int32)
    unite_pairs(first, graph.pairs, usable)
    flatten(first)
    return first


def contested(
    graph: Graph, rules: IdentityRules, usable: Flags, first: npt.NDArray[np.int32], decided: Ints
) -> Flags:
    """The identifiers of contested components; ``decided`` are those that decisions name."""
    is_odd = np.zeros(len(graph.keys), np.bool_)
    exclusive = [(one.type, it.of) for one in rules.types for it in one.exclusive]
    is_odd[first[(partners(graph, exclusive, usable).counts > 1).any(axis=1)]] = True
    is_odd[first[decided]] = True
    for one in without_dates(limits(rules)):
        if one.type in graph.types:
            mine = first[(graph.kinds == graph.types.index(one.type)) & usable]
            roots, sizes = np.unique(mine, return_counts=True)
            is_odd[roots[sizes > one.at_most]] = True
    found: Flags = is_odd[first] & usable
    return found


def settle_contested(
    session: Session, graph: Graph, rules: IdentityRules, chosen: Ints
) -> Contested:
    """Resolve the pairs at ``chosen``, all that have an end in contested components.

    Reads ``work_screened`` and ``work_decisions``.

    QualityError where the result does not prove itself.
    """
    lay_out(session, graph, chosen)
    rank(session, rules)
    decide_links(session, rules)
    never = ", ".join(quoted(one.type) for one in rules.types if not one.may_stand_alone)
    session.execute(_NAMED.format(never_alone=never or "''", stays=STAYS))
    session.execute(_HOLDERS)
    assign_bundles(session, rules)
    verify(session, rules)
    return Contested(session.table(_STAYS), session.table(_LINKS))
