"""What a publication changed: moves of tenures, and what became of persons.

A holder is the person of a tenure; a screened or unknown tenure has none. Between the holders
``before`` (the release that a draft stands on) and ``after`` (what the draft publishes):

- a *move* is a tenure whose holder differs, absence counted as a holder. Its cause is
  ``decision`` where a person's new decision lies in its component, ``screen`` where the tenure is
  or was screened, shared or alone, ``evidence`` where it is new or gone,
  ``merge`` where the holder before is no person any more and the holder after was one already,
  and ``split`` otherwise.
- ``created``: a person who was none before, none of whose tenures another person held.
- ``split`` (one_id, other_one_id): a person who was none before and holds a tenure of other's.
- ``merged`` (one_id, other_one_id): other is no person any more, and one_id, who was one before,
  holds a tenure of other's.
- ``vanished``: no person any more, and merged into nobody.

So, each counted as distinct persons (a new person with remains of two has two ``split`` rows),
persons after = persons before + created + split - merged others - vanished; and the moves,
applied date after date to an empty map from (identifier, tenure) to holder, give the tenures as
published. A second publication for the same date is told from the state before that date.
"""

from __future__ import annotations

from datetime import date

from lake.draft import Draft

_WITHIN = "identifier_key IN (SELECT identifier_key FROM work_scope)"

_FLOWS = """
CREATE OR REPLACE TEMP TABLE work_flows AS
SELECT coalesce(b.identifier_key, a.identifier_key) AS identifier_key,
  coalesce(b.tenure, a.tenure) AS tenure,
  b.one_id AS one_id_from, a.one_id AS one_id_to,
  coalesce(b.is_screened, false) OR coalesce(a.kind NOT IN ('sole', 'handover'), false)
    AS is_screened,
  b.identifier_key IS NULL OR a.identifier_key IS NULL AS is_new_or_gone
FROM work_before AS b
FULL JOIN work_tenures_now AS a ON a.identifier_key = b.identifier_key AND a.tenure = b.tenure
"""

_PERSONS_BEFORE = """
CREATE OR REPLACE TEMP TABLE work_persons_before AS
SELECT DISTINCT one_id FROM work_before WHERE one_id IS NOT NULL
"""

_PERSONS_AFTER = """
CREATE OR REPLACE TEMP TABLE work_persons_after AS
SELECT DISTINCT one_id FROM work_tenures_now WHERE one_id IS NOT NULL
"""

_MOVED = """
CREATE OR REPLACE TEMP TABLE work_moved AS
SELECT f.*,
  f.one_id_from IN (SELECT one_id FROM work_persons_after) AS stays,
  f.one_id_to IN (SELECT one_id FROM work_persons_before) AS was_there
FROM work_flows AS f
WHERE f.one_id_from IS DISTINCT FROM f.one_id_to
"""

_MOVES = """
SELECT {day} AS published_for, identifier_key, tenure, one_id_from, one_id_to,
  CASE WHEN identifier_key IN (SELECT identifier_key FROM work_decided_upon) THEN 'decision'
    WHEN is_screened THEN 'screen' WHEN is_new_or_gone THEN 'evidence'
    WHEN was_there AND NOT stays THEN 'merge' ELSE 'split' END AS cause
FROM work_moved
"""

_CHANGES = """
WITH pairs AS (
  SELECT DISTINCT one_id_to, one_id_from, was_there, stays FROM work_moved
  WHERE one_id_from IS NOT NULL AND one_id_to IS NOT NULL
),
told AS (
  SELECT 'split' AS kind, one_id_to AS one_id, one_id_from AS other_one_id
  FROM pairs WHERE NOT was_there
  UNION ALL
  SELECT 'merged', one_id_to, one_id_from FROM pairs WHERE was_there AND NOT stays
),
silent AS (
  SELECT 'created' AS kind, one_id FROM work_persons_after
  WHERE one_id NOT IN (SELECT one_id FROM work_persons_before)
    AND one_id NOT IN (SELECT one_id FROM told WHERE kind = 'split')
  UNION ALL
  SELECT 'vanished', one_id FROM work_persons_before
  WHERE one_id NOT IN (SELECT one_id FROM work_persons_after)
    AND one_id NOT IN (SELECT other_one_id FROM told WHERE kind = 'merged')
)
SELECT {day} AS published_for, kind, one_id, other_one_id FROM told
UNION ALL
SELECT {day}, kind, one_id, '' FROM silent
"""


_NOW = """
CREATE OR REPLACE TEMP TABLE work_tenures_now AS SELECT * FROM tenures {within}
"""

_DECIDED_UPON = """
CREATE OR REPLACE TEMP TABLE work_decided_upon AS
WITH fresh AS (
  SELECT * FROM identity_decisions WHERE received_at >= {since}
),
named AS (
  SELECT unnest([identifier_key_a, identifier_key_b]) AS identifier_key FROM identity_decisions
  WHERE decision_id IN (SELECT decision_id FROM fresh)
    OR decision_id IN (SELECT revokes FROM fresh)
)
SELECT identifier_key FROM named WHERE identifier_key IS NOT NULL
UNION
SELECT identifier_key FROM work_raw_components WHERE component IN (
  SELECT component FROM work_raw_components
  WHERE identifier_key IN (SELECT identifier_key FROM named)
)
"""


def remember(draft: Draft, *, is_whole: bool) -> None:
    """Keep the holders before this draft's date as ``work_before``, ahead of any write.

    Unless the whole is worked out, only those of ``work_scope``, outside of which nothing moves.
    """
    within = "" if is_whole else f"AND t.{_WITHIN}"
    draft.session.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE work_before AS
        WITH undone AS (
          SELECT identifier_key, tenure, one_id_from, cause FROM identity_moves
          WHERE published_for = {_day(draft.business_date)}
        )
        SELECT coalesce(t.identifier_key, u.identifier_key) AS identifier_key,
          coalesce(t.tenure, u.tenure) AS tenure,
          CASE WHEN u.identifier_key IS NULL THEN t.one_id ELSE u.one_id_from END AS one_id,
          CASE WHEN u.identifier_key IS NULL THEN t.kind NOT IN ('sole', 'handover')
            ELSE u.one_id_from IS NULL AND u.cause = 'screen' END AS is_screened
        FROM tenures AS t
        FULL JOIN undone AS u ON u.identifier_key = t.identifier_key AND u.tenure = t.tenure
        WHERE (u.identifier_key IS NULL OR u.one_id_from IS NOT NULL OR u.cause = 'screen')
          {within}
        """
    )


def publish_moves(draft: Draft, *, is_whole: bool) -> None:
    """Write ``identity_moves`` and ``identity_changes`` of the draft's date, after ``tenures``."""
    day = _day(draft.business_date)
    draft.session.execute(_NOW.format(within="" if is_whole else f"WHERE {_WITHIN}"))
    parent = draft.parent
    since = f"TIMESTAMPTZ '{parent.cut.isoformat()}'" if parent else "TIMESTAMPTZ '9999-12-31'"
    draft.session.execute(_DECIDED_UPON.format(since=since))
    for statement in (_FLOWS, _PERSONS_BEFORE, _PERSONS_AFTER, _MOVED):
        draft.session.execute(statement)
    dates = [draft.business_date]
    draft.replace_dates("identity_moves", dates, _MOVES.format(day=day))
    draft.replace_dates("identity_changes", dates, _CHANGES.format(day=day))


def _day(day: date) -> str:
    return f"DATE '{day.isoformat()}'"
