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
_WORK = (
    "export_allowed", "export_held", "export_own", "export_several", CHOSEN, LEAVING,
)


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
    at = f"TIMESTAMPTZ '{cut.isoformat()}'"
    session.execute(
        f"""CREATE TEMP TABLE export_allowed AS SELECT m.one_id, m.person_no FROM ({members}) AS m
        WHERE m.one_id IN ({consent_sql(recipe.purpose, recipe.channel, at)})"""
    )
    count_members, count_allowed = _count(session, f"({members})"), _count(
        session, "export_allowed"
    )
    if recipe.suppress:
        session.execute(f"CREATE TEMP TABLE {LEAVING} AS {_not_suppressed(recipe, day)}")
        session.execute("DROP TABLE export_allowed")
    else:
        session.execute(f"ALTER TABLE export_allowed RENAME TO {LEAVING}")
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
    for name in _WORK:
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
    return f"SELECT one_id, person_no FROM export_allowed WHERE one_id NOT IN ({listed})"


# Each leaving member's own identifiers on the day, in the form that the receiver hashes. First
# keys alone, then their values: two narrow joins cost half of one wide.
_HELD = """
SELECT l.person_no, t.identifier_key FROM tenures AS t
JOIN export_leaving AS l ON l.one_id = t.one_id WHERE {theirs}
"""
_THEIRS = """t.type = {type} AND t.kind IN ('sole', 'handover')
  AND (t.valid_from IS NULL OR t.valid_from <= {day})
  AND (t.valid_to IS NULL OR t.valid_to > {day})"""
_OWN = """
SELECT * FROM (
  SELECT h.person_no, h.identifier_key, CAST({nth} AS TINYINT) AS nth, {form} AS form
  FROM export_held AS h JOIN identifiers AS i ON i.identifier_key = h.identifier_key
  WHERE i.type = {type}
) WHERE form IS NOT NULL
"""

# Of who has several of a type, the one seen last on an event of theirs within its stay; of those
# never seen so the one received last; of equal ones the greatest.
_LAST = """
WITH several AS (
  SELECT o.person_no, o.nth, o.identifier_key, o.form, l.one_id, t.valid_from, t.received_at
  FROM export_own AS o
  JOIN export_several AS e ON e.person_no = o.person_no AND e.nth = o.nth
  JOIN export_leaving AS l ON l.person_no = o.person_no
  JOIN tenures AS t ON t.identifier_key = o.identifier_key AND t.one_id = l.one_id
  WHERE {theirs}
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
SELECT o.person_no, o.nth, arg_max(o.form, {{
  'at': coalesce(s.last_at, o.received_at), 'form': o.form
}}) AS form
FROM several AS o
LEFT JOIN seen AS s
  ON s.person_no = o.person_no AND s.nth = o.nth AND s.identifier_key = o.identifier_key
GROUP BY o.person_no, o.nth
"""


def _choose_identifiers(session: Session, recipe: Export, day: date) -> None:
    on = f"DATE '{day.isoformat()}'"
    session.execute(
        "CREATE TEMP TABLE export_own "
        "(person_no BIGINT, identifier_key BIGINT, nth TINYINT, form VARCHAR)"
    )
    types = sorted({one.type for one in recipe.identifiers})
    for kind in types:
        theirs = _THEIRS.format(type=quoted(kind), day=on)
        session.execute(f"CREATE TEMP TABLE export_held AS {_HELD.format(theirs=theirs)}")
        for nth, one in enumerate(recipe.identifiers):
            if one.type == kind:
                form = RECIPES[one.recipe].form(kind, "i.value")
                own = _OWN.format(nth=nth, form=form, type=quoted(kind))
                session.execute(f"INSERT INTO export_own {own}")
        session.execute("DROP TABLE export_held")
    if recipe.each == "all":
        query = "SELECT DISTINCT person_no, nth, form FROM export_own"
    else:
        session.execute(
            "CREATE TEMP TABLE export_several AS SELECT person_no, nth FROM export_own "
            "GROUP BY person_no, nth HAVING count(*) > 1"
        )
        listed = "(" + ", ".join(quoted(kind) for kind in types) + ")"
        theirs = _THEIRS.replace("= {type}", "IN {type}").format(type=listed, day=on)
        query = f"""SELECT person_no, nth, form FROM export_own
        ANTI JOIN export_several USING (person_no, nth)
        UNION ALL ({_LAST.format(theirs=theirs)})"""
    session.execute(f"CREATE TEMP TABLE {CHOSEN} AS {query}")
    session.execute("DROP TABLE export_own")
    session.execute("DROP TABLE IF EXISTS export_several")
