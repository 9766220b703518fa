"""Linking: the nodes (an identifier's stay), and the links that events draw between them.

An event draws a star: its strongest identifier that unites, on its business date, is joined to
each of the others. Whatever a shared or screened identifier stands beside, it unites nothing.
"""

from __future__ import annotations

from lake.engines.duckdb import Session, quoted
from pipelines.identity.evidence import values
from schemas.identity_rules import IdentityRules

OPEN_FROM, OPEN_TO = "DATE '0001-01-01'", "DATE '9999-12-31'"

# Bundles with a member that changed hands are cut at each border; all others are one period.
_PERIODS = f"""
CREATE OR REPLACE TEMP TABLE work_periods AS
WITH starts AS (
  SELECT DISTINCT u.bundle_id, s.valid_from FROM work_usable AS u
  JOIN work_stays AS s ON s.identifier_key = u.identifier_key
),
cuts AS (
  SELECT bundle_id, valid_from, coalesce(
    lead(valid_from) OVER (PARTITION BY bundle_id ORDER BY valid_from), {OPEN_TO}
  ) AS valid_to
  FROM starts
)
SELECT b.bundle_id, {OPEN_FROM} AS valid_from, {OPEN_TO} AS valid_to, b.receipt_no, b.first_on,
  b.last_on
FROM work_bundles AS b
WHERE b.bundle_id IN (SELECT bundle_id FROM work_usable)
  AND b.bundle_id NOT IN (SELECT bundle_id FROM starts)
UNION ALL
SELECT c.bundle_id, c.valid_from, c.valid_to, min(r.receipt_no), min(r.business_date),
  max(r.business_date)
FROM cuts AS c
JOIN work_receipts AS r ON r.bundle_id = c.bundle_id
  AND r.business_date >= c.valid_from AND r.business_date < c.valid_to
GROUP BY c.bundle_id, c.valid_from, c.valid_to
"""

_PRESENT = """
CREATE OR REPLACE TEMP TABLE work_present AS
SELECT p.bundle_id, p.valid_from, p.receipt_no, p.first_on, p.last_on, u.identifier_key, u.type,
  u.path, coalesce(s.tenure, 0) AS tenure, coalesce(s.is_shared, false) AS is_shared
FROM work_usable AS u
JOIN work_periods AS p ON p.bundle_id = u.bundle_id
LEFT JOIN work_stays AS s ON s.identifier_key = u.identifier_key
  AND s.valid_from <= p.valid_from AND p.valid_from < s.valid_to
"""

_NODES = f"""
CREATE OR REPLACE TEMP TABLE work_nodes AS
SELECT born.identifier_key, born.tenure, born.type, is_shared, first_on, last_on,
  birth_receipt, birth_path,
  coalesce(s.valid_from, {OPEN_FROM}) AS valid_from, coalesce(s.valid_to, {OPEN_TO}) AS valid_to,
  row_number() OVER (
    ORDER BY birth_receipt, birth_path, born.identifier_key, born.tenure
  ) - 1 AS node_no,
  row_number() OVER (ORDER BY strength, born.identifier_key, born.tenure) AS rank_no
FROM (
  SELECT identifier_key, tenure, type, is_shared, min(first_on) AS first_on,
    max(last_on) AS last_on, min(receipt_no) AS birth_receipt,
    arg_min(path, receipt_no) AS birth_path
  FROM work_present GROUP BY identifier_key, tenure, type, is_shared
) AS born
JOIN work_types ON work_types.type = born.type
LEFT JOIN (SELECT identifier_key, tenure, valid_from, valid_to FROM work_stays) AS s
  ON s.identifier_key = born.identifier_key AND s.tenure = born.tenure
"""

# A first sighting that an erasure took away is a birth still, for the stay that it fell into.
_REBORN = """
CREATE OR REPLACE TEMP TABLE work_nodes AS
SELECT * REPLACE (
  row_number() OVER (ORDER BY birth_receipt, birth_path, identifier_key, tenure) - 1 AS node_no
)
FROM (
  SELECT n.* REPLACE (
    least(n.birth_receipt, b.receipt_no) AS birth_receipt,
    CASE WHEN b.receipt_no < n.birth_receipt THEN b.path ELSE n.birth_path END AS birth_path
  )
  FROM work_nodes AS n LEFT JOIN (
    SELECT m.node_no, min(r.receipt_no) AS receipt_no, arg_min(t.path, r.receipt_no) AS path
    FROM birth_tombstones AS t
    JOIN work_receipts AS r ON r.bundle_id IS NULL AND r.received_at = t.received_at
      AND r.source = t.source AND r.event_id = t.event_id AND r.business_date = t.business_date
    JOIN work_nodes AS m ON m.identifier_key = t.identifier_key
      AND t.business_date >= m.valid_from AND t.business_date < m.valid_to
    GROUP BY m.node_no
  ) AS b ON b.node_no = n.node_no
)
"""

_PLACES = """
CREATE OR REPLACE TEMP TABLE work_places AS
WITH uniting AS (
  SELECT w.bundle_id, w.valid_from, w.receipt_no, w.first_on, w.last_on, n.node_no, n.rank_no
  FROM work_present AS w
  JOIN work_nodes AS n ON n.identifier_key = w.identifier_key AND n.tenure = w.tenure
  WHERE NOT w.is_shared
),
strongest AS (
  SELECT bundle_id, valid_from, arg_min(node_no, rank_no) AS star_no
  FROM uniting GROUP BY bundle_id, valid_from
)
SELECT u.bundle_id, u.valid_from, u.receipt_no, u.first_on, u.last_on, u.node_no, s.star_no
FROM uniting AS u
JOIN strongest AS s ON s.bundle_id = u.bundle_id AND s.valid_from = u.valid_from
"""

_SOURCES = """
CREATE OR REPLACE TEMP TABLE work_source_classes AS
SELECT r.bundle_id, min(c.class_no) AS class_no, bool_or(c.class_no IS NULL) AS is_plain
FROM work_receipts AS r LEFT JOIN {classes} ON c.source = r.source
GROUP BY r.bundle_id
"""

_LINKS = """
CREATE OR REPLACE TEMP TABLE work_drawn AS
WITH drawn AS (
  SELECT p.star_no AS a_no, p.node_no AS b_no, min(p.receipt_no) AS receipt_no{special}
  FROM work_places AS p {join}
  WHERE p.star_no <> p.node_no
  GROUP BY p.star_no, p.node_no
)
SELECT d.a_no, d.b_no, {class_no} AS class_no, d.receipt_no,
  coalesce(p.identifier_key, q.identifier_key) AS passed_by
FROM drawn AS d
JOIN work_nodes AS a ON a.node_no = d.a_no
JOIN work_nodes AS b ON b.node_no = d.b_no
LEFT JOIN work_passing AS p
  ON p.identifier_key = a.identifier_key AND p.partner_key = b.identifier_key
LEFT JOIN work_passing AS q
  ON q.identifier_key = b.identifier_key AND q.partner_key = a.identifier_key
LEFT JOIN {pairs} ON c.type_a = a.type AND c.type_b = b.type
"""


def link(session: Session, rules: IdentityRules) -> None:
    """Make the graph; reads the work of ``gather``, ``weigh`` and ``divide``.

    ``work_nodes``: every stay of a usable identifier, with its birth; ``node_no`` counts from 0 in
    order of birth, so that the least number of a component is its earliest-born node.
    ``work_places``: the uniting nodes of each bundle in each of its periods, each with the
    strongest of them (star_no). ``work_drawn``: the distinct star edges with their evidence, and
    the identifier that one end only passed by.
    """
    for statement in (_PERIODS, _PRESENT, _NODES):
        session.execute(statement)
    if session.rows("SELECT 1 FROM work_receipts WHERE bundle_id IS NULL LIMIT 1"):
        session.execute(_REBORN)
    session.execute(_PLACES)
    by_source = _named_sources(rules)
    listed = values([(quoted(s), n) for s, n in by_source], "source", "class_no")
    if by_source:
        session.execute(_SOURCES.format(classes=f"(SELECT * FROM {listed}) AS c"))
    last = len(rules.evidence) + 1
    pairs = f"(SELECT * FROM {values(_pairs(rules), 'type_a', 'type_b', 'class_no')}) AS c"
    plain = f"coalesce(c.class_no, {_catch_all(rules) or last})"
    special = ", min(s.class_no) AS special_no, bool_or(s.is_plain) AS is_plain"
    either = f"least(d.special_no, CASE WHEN d.is_plain THEN {plain} END)"
    session.execute(
        _LINKS.format(
            special=special if by_source else "",
            join="JOIN work_source_classes AS s ON s.bundle_id = p.bundle_id" if by_source else "",
            class_no=either if by_source else plain,
            pairs=pairs,
        )
    )


def class_names(rules: IdentityRules) -> dict[int, tuple[str, bool]]:
    """class_no → (name, whether it verifies); 0 is a person's decision, the last anything else."""
    named = {place: (one.name, one.verifies) for place, one in enumerate(rules.evidence, 1)}
    return {0: ("decision", False), **named, len(named) + 1: ("seen together", False)}


def _pairs(rules: IdentityRules) -> list[tuple[str, str, int]]:
    found: dict[tuple[str, str], int] = {}
    for place, one in enumerate(rules.evidence, 1):
        for a, b in one.between if not one.sources else ():
            found.setdefault((a, b), place)
            found.setdefault((b, a), place)
    return [(quoted(a), quoted(b), place) for (a, b), place in sorted(found.items())]


def _catch_all(rules: IdentityRules) -> int | None:
    places = [n for n, one in enumerate(rules.evidence, 1) if not one.between and not one.sources]
    return places[0] if places else None


def _named_sources(rules: IdentityRules) -> list[tuple[str, int]]:
    found: dict[str, int] = {}
    for place, one in enumerate(rules.evidence, 1):
        for source in one.sources:
            found.setdefault(source, place)
    return sorted(found.items())
