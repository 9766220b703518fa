"""The evidence of identity, laid out for one resolution: receipts in a total order, and members.

Every step of a resolution is a query over tables named ``work_…`` in the session. ``working``
drops them at the end, so that nothing of one resolution can reach the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyarrow as pa

from lake.engines.duckdb import Session, quoted
from schemas.errors import ConfigError
from schemas.identity_rules import IdentityRules

_RECEIPTS = """
CREATE OR REPLACE TEMP TABLE work_receipts AS
SELECT bundle_id, business_date, first_at, last_at, "count", received_at, source, event_id,
  row_number() OVER (
    ORDER BY received_at, source, event_id, bundle_id, business_date
  ) AS receipt_no
FROM (
  SELECT * FROM sightings {where}
  UNION ALL BY NAME
  SELECT DISTINCT NULL AS bundle_id, business_date, received_at AS first_at,
    received_at AS last_at, 0 AS count, received_at, source, event_id
  FROM birth_tombstones
)
"""

_BUNDLES = """
CREATE OR REPLACE TEMP TABLE work_bundles AS
SELECT bundle_id, min(receipt_no) AS receipt_no, min(business_date) AS first_on,
  max(business_date) AS last_on
FROM work_receipts WHERE bundle_id IS NOT NULL GROUP BY bundle_id
"""

_MEMBERS = """
CREATE OR REPLACE TEMP TABLE work_members AS
SELECT bundle_id, member.identifier_key AS identifier_key, member.type AS type,
  min(member.path) AS path
FROM (SELECT bundle_id, unnest(identifiers) AS member FROM bundles {where})
{sighted}
GROUP BY bundle_id, member.identifier_key, member.type
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


def gather(session: Session, rules: IdentityRules, bundles: str = "") -> None:
    """Lay out ``sightings`` and ``bundles``; ConfigError for an identifier type without rules.

    ``bundles`` is a query for the bundle_ids to take; all without it.
    ``work_receipts``: the sightings, numbered in order of first receipt (receipt_no), and births
    that an erasure took away, without a bundle.
    ``work_bundles``: each bundle that was sighted, with its first receipt and dates.
    ``work_members``: (bundle_id, identifier_key, type, path), each identifier once per bundle.
    ``work_types``: (type, strength), the strongest 1.
    """
    where = f"WHERE bundle_id IN ({bundles})" if bundles else ""
    session.execute(_RECEIPTS.format(where=where))
    session.execute(_BUNDLES)
    sighted = "WHERE bundle_id IN (SELECT bundle_id FROM work_bundles)"
    session.execute(_MEMBERS.format(where=where, sighted=sighted))
    rank(session, rules)


def rank(session: Session, rules: IdentityRules) -> None:
    """Make ``work_types``; ConfigError for a type of ``work_members`` without rules."""
    seen = [str(row[0]) for row in session.rows("SELECT DISTINCT type FROM work_members")]
    declared = [one.type for one in rules.ranked()]
    unknown = sorted(set(seen) - set(declared))
    if unknown and rules.undeclared == "refuse":
        raise ConfigError(
            f"the identifier type {unknown[0]!r} has no rules",
            expected="one of " + ", ".join(declared),
            got=", ".join(unknown),
            where="bundles",
            todo="list it under `types` in conf/base/identity.yml, or mend the source's definition",
        )
    names = [*declared, *unknown]
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_types AS SELECT * FROM "
        + values([(quoted(name), place) for place, name in enumerate(names, 1)], "type", "strength")
    )


def values(rows: Sequence[tuple[object, ...]], *columns: str) -> str:
    """Rows of SQL expressions as a relation with these columns; it may be empty."""
    names = ", ".join(columns)
    if not rows:
        return f"(SELECT {', '.join(f'NULL AS {name}' for name in columns)} WHERE false)"
    listed = ", ".join(f"({', '.join(map(str, row))})" for row in rows)
    return f"(VALUES {listed}) AS listed({names})"
