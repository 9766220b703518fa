"""Naming: each component becomes a person, whose one_id tells its earliest birth and nothing else.

A node's birth is (received_at, source, event_id, path) of its first sighting. It never says which
value an identifier has, and no later evidence can make it earlier, so that a person keeps its
name while it grows.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

from lake.engines.duckdb import Session, quoted
from schemas.identity_rules import IdentityRules

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_NAMED = """
CREATE OR REPLACE TEMP TABLE work_named AS
SELECT n.node_no AS first_no, r.received_at AS born_at, r.source AS birth_source,
  r.event_id AS birth_event_id, n.birth_path,
  'p' || substr(sha256(concat_ws('|',
    CAST(epoch_us(r.received_at) AS VARCHAR), r.source, r.event_id, n.birth_path
  )), 1, 24) AS one_id
FROM work_nodes AS n JOIN work_receipts AS r ON r.receipt_no = n.birth_receipt
WHERE n.node_no IN (
  SELECT c.first_no FROM work_components AS c JOIN work_nodes AS m ON m.node_no = c.node_no
  WHERE NOT m.is_shared AND m.type NOT IN ({never_alone})
)
"""

_HOLDERS = """
CREATE OR REPLACE TEMP TABLE work_holders AS
SELECT c.node_no, n.identifier_key, n.tenure, n.type, p.one_id
FROM work_components AS c
JOIN work_nodes AS n ON n.node_no = c.node_no
JOIN work_named AS p ON p.first_no = c.first_no
"""


def one_id(received_at: datetime, source: str, event_id: str, path: str) -> str:
    """The id of a person whose earliest-born identifier was first received so."""
    micros = (received_at - _EPOCH) // timedelta(microseconds=1)
    text = f"{micros}|{source}|{event_id}|{path}"
    return "p" + hashlib.sha256(text.encode()).hexdigest()[:24]


def name(session: Session, rules: IdentityRules) -> None:
    """Make the persons; reads the work of ``settle_links``.

    ``work_named``: each person with its birth. ``work_holders``: each node with its person; a
    shared one has none, nor has a component of types that may not stand alone.
    """
    never = ", ".join(quoted(one.type) for one in rules.types if not one.may_stand_alone)
    session.execute(_NAMED.format(never_alone=never or "''"))
    session.execute(_HOLDERS)
