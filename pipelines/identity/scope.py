"""Scope: what a new day can have changed, so that only this is worked out anew.

Everything about identity is local to a raw component: the identifiers that a chain of bundles
joins, screened ones left out. So a day redoes the components that something new touches: a set of
identifiers never seen together before (or earlier than known, or no more), a value that became a
hub or is one no more, a decision of a person, the other end of a link that a person decided. A set
that was seen before is no work, unless dates decide, or may come to decide, in its component.
"""

from __future__ import annotations

from dataclasses import dataclass

from lake.draft import Draft
from lake.engines.duckdb import Session, quoted
from pipelines.identity.decisions import in_force
from pipelines.identity.evidence import rank
from pipelines.identity.screen import screen
from schemas import catalog
from schemas.identity_rules import IdentityRules


@dataclass(frozen=True, slots=True)
class Scope:
    """Whether all is worked out, or the identifiers of ``work_scope`` and their bundles."""

    is_whole: bool

    @property
    def bundles(self) -> str:
        """A query for the bundles to gather; empty for all."""
        return "" if self.is_whole else "SELECT bundle_id FROM work_scope_bundles"


# New is a bundle never seen before, one that is seen no more, and one received before it was known.
_CHANGED = """
CREATE OR REPLACE TEMP TABLE work_changed AS
WITH fresh AS (SELECT * FROM work_sightings_now EXCEPT SELECT * FROM work_sightings_before),
stale AS (SELECT * FROM work_sightings_before EXCEPT SELECT * FROM work_sightings_now)
SELECT bundle_id, bool_or(is_new) AS is_new FROM (
  SELECT f.bundle_id, f.bundle_id NOT IN (SELECT bundle_id FROM work_bundles_before)
    OR (f.received_at < {cut} AND (f.received_at, f.event_id) IS DISTINCT FROM
      (s.received_at, s.event_id)) AS is_new
  FROM fresh AS f
  LEFT JOIN stale AS s ON s.bundle_id = f.bundle_id AND s.source = f.source
    AND s.business_date = f.business_date
  UNION ALL
  SELECT s.bundle_id, f.bundle_id IS NULL AS is_new FROM stale AS s
  LEFT JOIN fresh AS f ON s.bundle_id = f.bundle_id AND s.source = f.source
    AND s.business_date = f.business_date
) GROUP BY bundle_id
"""

# Evidence whose class its source tells may change its class when it is seen again.
_TOLD_BY_SOURCE = """
UPDATE work_changed SET is_new = true WHERE bundle_id IN (
  SELECT bundle_id FROM sightings WHERE source IN ({sources})
)
"""

_TOUCHED = """
CREATE OR REPLACE TEMP TABLE work_touched AS
SELECT m.identifier_key, bool_or(c.is_new) AS is_new
FROM work_everyone AS m JOIN work_changed AS c ON c.bundle_id = m.bundle_id
GROUP BY m.identifier_key
"""

# Decisions that came into force or went out of it.
_DECIDED = """
CREATE OR REPLACE TEMP TABLE work_newly_decided AS
SELECT DISTINCT identifier_key, kind FROM (
  SELECT unnest([identifier_key_a, identifier_key_b]) AS identifier_key, kind FROM (
    (SELECT * FROM work_decisions EXCEPT SELECT * FROM work_in_force_before)
    UNION
    (SELECT * FROM work_in_force_before EXCEPT SELECT * FROM work_decisions)
  )
) WHERE identifier_key IS NOT NULL
"""

_EVERYONE = """
CREATE OR REPLACE TEMP TABLE work_everyone AS
SELECT bundle_id, member.identifier_key AS identifier_key, member.type AS type
FROM (SELECT bundle_id, unnest(identifiers) AS member FROM bundles)
"""

_NEAR = "SELECT DISTINCT identifier_key FROM work_everyone WHERE bundle_id IN ({bundles})"
_OF = "SELECT bundle_id FROM work_everyone WHERE identifier_key IN ({keys})"

_REWORDED = """
CREATE OR REPLACE TEMP TABLE work_reworded AS
SELECT n.identifier_key FROM work_screened AS n
JOIN screened AS b ON b.identifier_key = n.identifier_key AND b.reason <> n.reason
"""

_BESIDE_FREED = _NEAR.format(bundles=_OF.format(keys="SELECT identifier_key FROM freed"))
_SCOPE = f"""
CREATE OR REPLACE TEMP TABLE work_scope AS
WITH turned AS (
  (SELECT identifier_key FROM work_screened EXCEPT SELECT identifier_key FROM screened)
  UNION
  (SELECT identifier_key FROM screened EXCEPT SELECT identifier_key FROM work_screened)
),
freed AS (
  SELECT identifier_key FROM turned
  WHERE identifier_key NOT IN (SELECT identifier_key FROM work_screened)
),
named AS (
  SELECT identifier_key FROM work_touched WHERE is_new
  UNION SELECT t.identifier_key FROM work_touched AS t
    JOIN raw_components AS c ON c.identifier_key = t.identifier_key AND c.is_dated
  UNION SELECT identifier_key FROM turned
  UNION SELECT identifier_key FROM work_newly_decided
  UNION SELECT * FROM ({_BESIDE_FREED})
),
dirty AS (
  SELECT identifier_key FROM named
  UNION SELECT unnest([identifier_key_a, identifier_key_b]) FROM work_decisions
    WHERE kind = 'link' AND (
      identifier_key_a IN (SELECT identifier_key FROM named)
      OR identifier_key_b IN (SELECT identifier_key FROM named)
    )
)
SELECT identifier_key FROM raw_components WHERE component IN (
  SELECT component FROM raw_components WHERE identifier_key IN (SELECT identifier_key FROM dirty)
)
UNION
SELECT identifier_key FROM dirty
WHERE identifier_key IN (SELECT identifier_key FROM work_everyone) AND identifier_key NOT IN (
  SELECT identifier_key FROM screened WHERE identifier_key IN (
    SELECT identifier_key FROM work_screened)
)
"""


def find_scope(draft: Draft, rules: IdentityRules, fingerprint: str) -> Scope:
    """What this draft must work out; makes ``work_screened``, the whole registry, if a part.

    The whole: without an earlier publication, with other rules, or for a date published before.
    """
    if _is_whole(draft, fingerprint):
        return Scope(is_whole=True)
    session = draft.session
    _show_before(draft)
    in_force(session, "work_decisions_before", "work_in_force_before")
    assert draft.parent is not None
    cut = f"TIMESTAMPTZ '{draft.parent.cut.isoformat()}'"
    session.execute(_CHANGED.format(cut=cut))
    if sources := sorted({quoted(name) for one in rules.evidence for name in one.sources}):
        session.execute(_TOLD_BY_SOURCE.format(sources=", ".join(sources)))
    for statement in (_EVERYONE, _TOUCHED, _DECIDED):
        session.execute(statement)
    _screen_touched(session, rules)
    session.execute(_REWORDED)
    session.execute(_SCOPE)
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_scope_bundles AS SELECT DISTINCT bundle_id FROM ("
        + _OF.format(keys="SELECT identifier_key FROM work_scope")
        + ")"
    )
    return Scope(is_whole=False)


def everything(session: Session) -> None:
    """Make ``work_scope`` of all that was gathered."""
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_reworded AS "
        "SELECT CAST(NULL AS BIGINT) AS identifier_key WHERE false"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_scope AS "
        "SELECT DISTINCT identifier_key FROM work_members"
    )


def _is_whole(draft: Draft, fingerprint: str) -> bool:
    parent = draft.parent
    if parent is None or parent.business_date >= draft.business_date:
        return True
    last = draft.session.rows("SELECT rules FROM identity_runs ORDER BY published_for DESC LIMIT 1")
    return not last or last[0][0] != fingerprint


def _show_before(draft: Draft) -> None:
    """The released bundles, decisions and, for the dates of this draft, sightings."""
    assert draft.parent is not None
    dates = draft.changed_dates("sightings")
    days = {day.isoformat() for day in dates}
    draft.show_dates("sightings", dates, "work_sightings_now")
    for name, view in (
        ("sightings", "work_sightings_before"),
        ("bundles", "work_bundles_before"),
        ("identity_decisions", "work_decisions_before"),
    ):
        files = draft.parent.files(name)
        paths = [file.path for file in files if name != "sightings" or file.d in days]
        draft.session.view(view, catalog.table(name).schema, paths)


def _screen_touched(session: Session, rules: IdentityRules) -> None:
    """The registry after this day: what was not looked at stays as it was."""
    windowed = any(it.within_days for one in rules.types for it in one.holders)
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_to_screen AS "
        f"SELECT identifier_key FROM work_touched WHERE is_new OR {windowed} "
        "UNION SELECT identifier_key FROM work_newly_decided WHERE kind = 'block' "
        "UNION SELECT * FROM ("
        + _NEAR.format(
            bundles=_OF.format(
                keys="SELECT identifier_key FROM work_newly_decided WHERE kind = 'block'"
            )
        )
        + ")"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_members AS "
        "SELECT DISTINCT * FROM work_everyone "
        f"WHERE bundle_id IN ({_OF.format(keys='SELECT identifier_key FROM work_to_screen')})"
    )
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_receipts AS SELECT bundle_id, business_date "
        f"FROM sightings WHERE {windowed} AND bundle_id IN (SELECT bundle_id FROM work_members)"
    )
    rank(session, rules)
    screen(session, rules, "SELECT identifier_key FROM work_to_screen")
    session.execute(
        "INSERT INTO work_screened SELECT * FROM screened "
        "WHERE identifier_key NOT IN (SELECT identifier_key FROM work_to_screen)"
    )
