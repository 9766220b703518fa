"""Settling: which links are taken, so that no limit and no decision of a person is broken.

A component of links that would break nothing, and that no decision names, is one person as it
stands. In the others, links are
taken in an order that is intrinsic to each: decisions, then class of evidence, coarse strength,
first receipt, keys; one that would break a limit is refused, and says which and through whom.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from lake.engines.duckdb import Session, quoted
from pipelines.components.constrained import Bounds, Flags, Ints, Nodes, broken_groups, settle
from pipelines.identity.evidence import keep, values
from pipelines.identity.labels import Label, here, ints
from pipelines.identity.limits import Limit, limits, without_dates
from pipelines.identity.link import class_names
from schemas.identity_rules import IdentityRules

_CANDIDATES = """
CREATE OR REPLACE TEMP TABLE work_candidates AS
SELECT d.a_no, d.b_no, d.class_no, d.receipt_no, d.passed_by,
  d.passed_by IS NOT NULL AS is_outlier, NULL AS decision_id
FROM work_drawn AS d
ANTI JOIN work_linked_by_decision AS k
  ON least(d.a_no, d.b_no) = k.a_no AND greatest(d.a_no, d.b_no) = k.b_no
UNION ALL
SELECT a_no, b_no, 0, NULL, NULL, false, decision_id FROM work_linked_by_decision
"""

# A decision means the last stays of its identifiers that unite.
_DECIDED = """
CREATE OR REPLACE TEMP TABLE work_linked_by_decision AS
WITH latest AS (
  SELECT identifier_key, arg_max(node_no, tenure) AS node_no FROM work_nodes
  WHERE NOT is_shared GROUP BY identifier_key
)
SELECT least(a.node_no, b.node_no) AS a_no, greatest(a.node_no, b.node_no) AS b_no,
  min(d.decision_id) AS decision_id
FROM work_decisions AS d
JOIN latest AS a ON a.identifier_key = d.identifier_key_a
JOIN latest AS b ON b.identifier_key = d.identifier_key_b
WHERE d.kind = 'link'
GROUP BY ALL
"""

_APART = """
SELECT a.node_no AS a_no, b.node_no AS b_no, d.decision_id
FROM work_decisions AS d
JOIN work_nodes AS a ON a.identifier_key = d.identifier_key_a AND NOT a.is_shared
JOIN work_nodes AS b ON b.identifier_key = d.identifier_key_b AND NOT b.is_shared
WHERE d.kind = 'unlink'
ORDER BY d.decision_id, a_no, b_no
"""

_EDGES = "SELECT a_no AS a, b_no AS b FROM work_candidates WHERE NOT is_outlier"

_VERIFIED = """
CREATE OR REPLACE TEMP TABLE work_verified AS
SELECT DISTINCT unnest([a_no, b_no]) AS node_no FROM work_drawn
WHERE passed_by IS NULL AND class_no IN ({classes})
"""

_NODES = """
SELECT n.node_no, coalesce(k.kind, -1) AS kind, n.identifier_key AS "value",
  n.first_on - DATE '1970-01-01' AS "first", n.last_on - DATE '1970-01-01' AS "last",
  v.node_no IS NOT NULL AS verified
FROM work_nodes AS n
LEFT JOIN {kinds} ON k.type = n.type
LEFT JOIN work_verified AS v ON v.node_no = n.node_no
ORDER BY n.node_no
"""

_ORDERED = """
WITH days AS (
  SELECT p.star_no, p.node_no, count(DISTINCT r.business_date) AS days
  FROM work_places AS p
  JOIN work_periods AS w ON w.bundle_id = p.bundle_id AND w.valid_from = p.valid_from
  JOIN work_receipts AS r ON r.bundle_id = p.bundle_id
    AND r.business_date >= w.valid_from AND r.business_date < w.valid_to
  WHERE p.star_no <> p.node_no AND p.node_no IN (SELECT node_no FROM work_contested)
  GROUP BY p.star_no, p.node_no
)
SELECT c.a_no, c.b_no, c.decision_id IS NOT NULL AS waives
FROM work_candidates AS c
JOIN work_contested AS k ON k.node_no = c.a_no
JOIN work_nodes AS a ON a.node_no = c.a_no
JOIN work_nodes AS b ON b.node_no = c.b_no
LEFT JOIN days AS d ON d.star_no = c.a_no AND d.node_no = c.b_no
WHERE NOT c.is_outlier
ORDER BY c.class_no, CASE WHEN c.decision_id IS NOT NULL THEN 2
    WHEN d.days >= {strong} THEN 0 WHEN d.days > 1 THEN 1 ELSE 2 END,
  c.decision_id, c.receipt_no, least(a.identifier_key, b.identifier_key),
  greatest(a.identifier_key, b.identifier_key), a.tenure, b.tenure
"""

_LINKS = """
CREATE OR REPLACE TEMP TABLE work_links AS
SELECT c.a_no, c.b_no, c.class_no, k.name AS evidence, c.receipt_no, c.decision_id,
  CASE WHEN c.is_outlier OR NOT coalesce(o.accepted, true) THEN 'refused' ELSE 'accepted' END
    AS status,
  CASE WHEN c.is_outlier THEN 'outlier'
    WHEN o.accepted AND o.rule IS NOT NULL
      THEN 'decision ' || c.decision_id || ' waives ' || o.rule
    ELSE o.rule END AS rule,
  coalesce(c.passed_by, n.identifier_key) AS blocker
FROM work_candidates AS c
JOIN {names} ON k.class_no = c.class_no
LEFT JOIN work_outcomes AS o ON o.a_no = c.a_no AND o.b_no = c.b_no
LEFT JOIN work_nodes AS n ON n.node_no = o.blocker_no
"""


def settle_links(session: Session, rules: IdentityRules, label: Label = here) -> None:
    """Decide every link; reads the work of ``link``. Components are found by ``label``.

    ``work_links``: (a_no, b_no, class_no, evidence, receipt_no, decision_id, status, rule,
    blocker). ``work_components``: (node_no, first_no), ``first_no`` being the earliest-born of
    the node's person. ``work_contested``: the nodes of components where something was weighed.
    """
    for statement in (_DECIDED, _CANDIDATES):
        session.execute(statement)
    names = class_names(rules)
    verifying = [place for place, (_, verifies) in names.items() if verifies]
    session.execute(_VERIFIED.format(classes=", ".join(map(str, verifying)) or "NULL"))
    bounds = limits(rules)
    found = _read_nodes(session, bounds)
    plain = label(session, len(found.kind), _EDGES)
    apart = session.table(_APART)
    contested = _contested(session, found, plain, _bounds(bounds), apart)
    _mark_dated(session, found, plain, _bounds(without_dates(bounds)), contested)
    first = _settle(session, rules, found, plain, contested, bounds, apart)
    labels = {"node_no": np.arange(len(first)), "first_no": first}
    keep(session, "work_components", pa.table(labels))
    listed = values([(n, quoted(name)) for n, (name, _) in names.items()], "class_no", "name")
    session.execute(_LINKS.format(names=f"(SELECT * FROM {listed}) AS k"))


def _read_nodes(session: Session, bounds: list[Limit]) -> Nodes:
    kinds = values([(quoted(t), n) for n, t in enumerate(_kinds(bounds))], "type", "kind")
    rows = session.table(_NODES.format(kinds=f"(SELECT * FROM {kinds}) AS k"))
    return Nodes(
        ints(rows["kind"]),
        ints(rows["value"]),
        ints(rows["first"]),
        ints(rows["last"]),
        np.asarray(rows["verified"].to_numpy(), np.bool_),
    )


def _kinds(bounds: list[Limit]) -> list[str]:
    return sorted({one.type for one in bounds})


def _bounds(bounds: list[Limit]) -> Bounds:
    kinds = _kinds(bounds)
    return Bounds(
        np.array([kinds.index(one.type) for one in bounds], np.int64),
        np.array([one.at_most for one in bounds], np.int64),
        np.array([one.tolerance for one in bounds], np.int64),
        np.array([one.unless_verified for one in bounds], np.bool_),
    )


def _contested(
    session: Session, nodes: Nodes, plain: Ints, bounds: Bounds, apart: pa.Table
) -> Flags:
    """Per node: whether its component must be weighed; kept as ``work_contested``."""
    is_contested = broken_groups(nodes, plain, bounds)
    decided = session.table("SELECT a_no FROM work_linked_by_decision")
    for column in (apart["a_no"], apart["b_no"], decided["a_no"]):
        is_contested[plain[ints(column)]] = True
    mine = is_contested[plain] if len(plain) else np.zeros(0, np.bool_)
    keep(session, "work_contested", pa.table({"node_no": np.flatnonzero(mine)}))
    return mine


def _mark_dated(
    session: Session, nodes: Nodes, plain: Ints, tightest: Bounds, contested: Flags
) -> None:
    """Keep as ``work_dated`` the nodes of components where dates decide, or may come to."""
    may_break = broken_groups(nodes, plain, tightest)
    dated = contested | (may_break[plain] if len(plain) else contested)
    keep(session, "work_dated", pa.table({"node_no": np.flatnonzero(dated)}))


def _settle(
    session: Session,
    rules: IdentityRules,
    nodes: Nodes,
    plain: Ints,
    contested: Flags,
    bounds: list[Limit],
    apart: pa.Table,
) -> Ints:
    """The final label per node; makes ``work_outcomes`` of the contested links."""
    edges = session.table(_ORDERED.format(strong=rules.weights.strong_days))
    # Numbered among themselves in the same order, so that the least is still the earliest-born.
    members = np.flatnonzero(contested)
    place = np.full(len(plain), -1, np.int64)
    place[members] = np.arange(len(members))
    pairs = place[ints(apart["a_no"])], place[ints(apart["b_no"])]
    settled = settle(
        Nodes(*(getattr(nodes, name)[members] for name in Nodes.__slots__)),
        place[ints(edges["a_no"])],
        place[ints(edges["b_no"])],
        np.asarray(edges["waives"].to_numpy(), np.bool_),
        _bounds(bounds),
        pairs,
    )
    reasons = [one.name for one in bounds]
    reasons += [f"decision {decision}" for decision in apart["decision_id"].to_pylist()]
    # Without members there is no edge and no blocker: any place would do.
    blocker = members[settled.blocker] if len(members) else settled.blocker
    outcomes = {
        "a_no": edges["a_no"],
        "b_no": edges["b_no"],
        "accepted": settled.accepted,
        "rule": pa.array(reasons, pa.string()).take(
            pa.array(settled.broken, mask=settled.broken < 0)
        ),
        "blocker_no": pa.array(blocker, pa.int64(), mask=settled.blocker < 0),
    }
    keep(session, "work_outcomes", pa.table(outcomes))
    first = plain.copy()
    first[members] = members[settled.label] if len(members) else []
    return first
