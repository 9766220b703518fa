"""Who leaves, and with which identifiers: what an export is before it is written.

Each member falls out by the first that applies: no consent, on a suppression list, no identifier
that the recipe takes. What is shared, or another's by now, is nobody's identifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from domain.consent import consent_sql
from lake.engines.duckdb import Session, quoted
from pipelines.audiences.lists import known_lists, persons_on
from pipelines.exports.recipes import RECIPES
from schemas.errors import ConfigError
from schemas.exports import Export

LEAVING, CHOSEN = "export_leaving", "export_chosen"


@dataclass(frozen=True, slots=True)
class Counts:
    """Persons: the last four add up to ``members``."""

    members: int
    exported: int
    without_consent: int
    suppressed: int
    without_identifier: int


def choose(session: Session, recipe: Export, members: str, day: date, cut: datetime) -> Counts:
    """Show who leaves on ``day`` as ``export_leaving`` and their identifiers as ``export_chosen``.

    ``members`` is SQL giving ``one_id, person_no``. ``export_leaving`` has both; ``export_chosen``
    has ``person_no``, ``nth`` (which of the export's identifiers) and ``form`` (what is hashed).
    """
    _require_lists(session, recipe)
    drop(session)
    session.execute(f"CREATE TEMP TABLE export_members AS {members}")
    at = f"TIMESTAMPTZ '{cut.isoformat()}'"
    session.execute(
        f"""CREATE TEMP TABLE export_allowed AS SELECT m.one_id, m.person_no
        FROM export_members AS m
        WHERE m.one_id IN ({consent_sql(recipe.purpose, recipe.channel, at)})"""
    )
    count_members, count_allowed = _count(session, "export_members"), _count(
        session, "export_allowed"
    )
    session.execute("DROP TABLE export_members")
    session.execute(f"CREATE TEMP TABLE {LEAVING} AS {_not_suppressed(recipe, day)}")
    session.execute("DROP TABLE export_allowed")
    count_leaving = exported = _count(session, LEAVING)
    if recipe.identifiers:
        _choose_identifiers(session, recipe, day)
        exported = int(
            str(session.rows(f"SELECT count(DISTINCT person_no) FROM {CHOSEN}")[0][0])
        )
    return Counts(
        count_members, exported, count_members - count_allowed, count_allowed - count_leaving,
        count_leaving - exported,
    )


def drop(session: Session) -> None:
    """Forget what ``choose`` has shown."""
    for name in ("export_members", "export_allowed", "export_own", CHOSEN, LEAVING):
        session.execute(f"DROP TABLE IF EXISTS {name}")


def _count(session: Session, name: str) -> int:
    return int(str(session.rows(f"SELECT count(*) FROM {name}")[0][0]))


def _require_lists(session: Session, recipe: Export) -> None:
    if not recipe.suppress:
        return
    known = sorted(known_lists(session))
    for name in recipe.suppress:
        if name not in known:
            raise ConfigError(
                f"there is no list {name!r}", expected="one of " + ", ".join(known) if known
                else "a list that was delivered", got=name, where=f"export {recipe.name}, suppress",
                todo="deliver the list first, also if it is empty; nothing leaves until then",
            )


def _not_suppressed(recipe: Export, day: date) -> str:
    listed = " UNION ALL ".join(
        f"SELECT one_id FROM ({persons_on(name, day)})" for name in recipe.suppress
    )
    among = f" WHERE one_id NOT IN ({listed})" if listed else ""
    return f"SELECT one_id, person_no FROM export_allowed{among}"


# Each leaving member's own identifiers on the day, in the form that the receiver hashes.
_OWN = """
SELECT * FROM (
  SELECT l.person_no, l.one_id, t.identifier_key, t.valid_from, t.received_at,
    {nth} AS nth, {form} AS form
  FROM tenures AS t
  JOIN export_leaving AS l ON l.one_id = t.one_id
  JOIN identifiers AS i ON i.identifier_key = t.identifier_key
  WHERE t.type = {type} AND t.kind IN ('sole', 'handover')
    AND (t.valid_from IS NULL OR t.valid_from <= {day})
    AND (t.valid_to IS NULL OR t.valid_to > {day})
) WHERE form IS NOT NULL
"""

# Of who has several of a type, the one seen last on an event of theirs within its stay; of those
# never seen so the one received last; of equal ones the greatest.
_LAST = """
WITH several AS (
  SELECT * FROM export_own
  WHERE (person_no, nth) IN
    (SELECT (person_no, nth) FROM export_own GROUP BY person_no, nth HAVING count(*) > 1)
),
theirs AS (SELECT * FROM bundle_persons WHERE one_id IN (SELECT one_id FROM several)),
members AS (
  SELECT bundle_id, unnest(identifiers).identifier_key AS identifier_key
  FROM bundles WHERE bundle_id IN (SELECT bundle_id FROM theirs)
),
seen AS (
  SELECT o.person_no, o.nth, o.identifier_key, max(s.last_at) AS last_at
  FROM theirs AS b
  JOIN members AS m ON m.bundle_id = b.bundle_id
  JOIN several AS o ON o.one_id = b.one_id AND o.identifier_key = m.identifier_key
  JOIN sightings AS s ON s.bundle_id = b.bundle_id
    AND s.business_date >= b.valid_from AND s.business_date < b.valid_to
    AND (o.valid_from IS NULL OR s.business_date >= o.valid_from)
  GROUP BY o.person_no, o.nth, o.identifier_key
)
SELECT o.person_no, o.nth, arg_max(o.form, {
  'at': coalesce(s.last_at, o.received_at), 'form': o.form
}) AS form
FROM several AS o
LEFT JOIN seen AS s
  ON s.person_no = o.person_no AND s.nth = o.nth AND s.identifier_key = o.identifier_key
GROUP BY o.person_no, o.nth
"""


def _choose_identifiers(session: Session, recipe: Export, day: date) -> None:
    on = f"DATE '{day.isoformat()}'"
    queries = [
        _OWN.format(
            nth=nth, type=quoted(one.type), day=on,
            form=RECIPES[one.recipe].form(one.type, "i.value"),
        )
        for nth, one in enumerate(recipe.identifiers)
    ]
    session.execute("CREATE TEMP TABLE export_own AS " + " UNION ALL ".join(queries))
    if recipe.each == "all":
        query = "SELECT DISTINCT person_no, nth, form FROM export_own"
    else:
        query = f"""SELECT person_no, nth, any_value(form) AS form FROM export_own
        GROUP BY person_no, nth HAVING count(*) = 1 UNION ALL ({_LAST})"""
    session.execute(f"CREATE TEMP TABLE {CHOSEN} AS {query}")
    session.execute("DROP TABLE export_own")
