"""The evidence of identity, laid out for one resolution: receipts in a total order, and members.

Every step of a resolution is a query over tables named ``work_…`` in the session. ``working``
drops them at the end, so that nothing of one resolution can reach the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from lake.engines.duckdb import Session
from schemas.errors import ConfigError
from schemas.identity_rules import IdentityRules

_RECEIPTS = """
CREATE OR REPLACE TEMP TABLE work_receipts AS
SELECT bundle_id, business_date, first_at, last_at, "count", received_at, source, event_id,
  row_number() OVER (
    ORDER BY received_at, source, event_id, bundle_id, business_date
  ) AS receipt_no
FROM sightings
"""

_BUNDLES = """
CREATE OR REPLACE TEMP TABLE work_bundles AS
SELECT bundle_id, min(receipt_no) AS receipt_no, min(first_at) AS first_at,
  max(last_at) AS last_at, CAST(sum("count") AS BIGINT) AS "count"
FROM work_receipts GROUP BY bundle_id
"""

_MEMBERS = """
CREATE OR REPLACE TEMP TABLE work_members AS
SELECT bundle_id, member.identifier_key AS identifier_key, member.type AS type,
  min(member.path) AS path
FROM (SELECT bundle_id, unnest(identifiers) AS member FROM bundles)
WHERE bundle_id IN (SELECT bundle_id FROM work_bundles)
GROUP BY ALL
"""


@contextmanager
def working(session: Session) -> Iterator[None]:
    """A stretch in which ``work_…`` tables may be made; they are gone afterwards."""
    try:
        yield
    finally:
        found = session.rows(
            "SELECT table_name FROM duckdb_tables() "
            "WHERE temporary AND starts_with(table_name, 'work_')"
        )
        for (name,) in found:
            session.execute(f'DROP TABLE "{name}"')


def keep(session: Session, name: str, rows: pa.Table) -> None:
    """Make the ``work_…`` table ``name`` from Arrow."""
    session.register("incoming_rows", rows)
    session.execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS SELECT * FROM incoming_rows')
    session.con.unregister("incoming_rows")


def gather(session: Session, rules: IdentityRules) -> None:
    """Lay out ``sightings`` and ``bundles``; ConfigError for an identifier type without rules.

    ``work_receipts``: the sightings, numbered in order of first receipt (receipt_no).
    ``work_bundles``: each bundle that was sighted, with its first receipt and times.
    ``work_members``: (bundle_id, identifier_key, type, path), each identifier once per bundle.
    ``work_types``: (type, strength), the strongest 1.
    """
    for statement in (_RECEIPTS, _BUNDLES, _MEMBERS):
        session.execute(statement)
    seen = [str(row[0]) for row in session.rows("SELECT DISTINCT type FROM work_members")]
    declared = [one.type for one in rules.types]
    unknown = sorted(set(seen) - set(declared))
    if unknown and rules.undeclared == "refuse":
        raise ConfigError(
            f"the identifier type {unknown[0]!r} has no rules",
            expected="one of " + ", ".join(declared),
            got=", ".join(unknown),
            where="bundles",
            todo="list it under `types` in conf/base/identity.yml, or mend the source's definition",
        )
    strengths = {name: place for place, name in enumerate([*declared, *unknown], 1)}
    types = pa.table(
        {
            "type": pa.array(list(strengths), pa.string()),
            "strength": pa.array(list(strengths.values()), pa.int64()),
        }
    )
    keep(session, "work_types", types)
