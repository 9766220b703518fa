"""Who is on a list: the persons who hold an identifier that was put on it and not taken off.

A list names identifiers by key; who they are is asked of the release, so that a list follows
merges, splits and phones that change hands.
"""

from __future__ import annotations

from datetime import date

from lake.engines.duckdb import Session, quoted
from schemas.lists import LISTS

LAST = "{'at': least(changed_at, received_at), 'received': received_at, 'file': file}"
"""What orders the changes of an identifier: none counts before it was done or after it came."""


def known_lists(session: Session) -> set[str]:
    """Names of all lists of the release, also of those that everybody was taken off again."""
    return {str(name) for (name,) in session.rows(f"SELECT DISTINCT list FROM {LISTS}")}


def keys_on(list_name: str) -> str:
    """SQL giving ``identifier_key`` and ``type`` of what is on the list in the open release."""
    return f"""SELECT identifier_key, any_value(type) AS type FROM {LISTS}
    WHERE list = {quoted(list_name)} GROUP BY identifier_key
    HAVING arg_max(change, {LAST}) = 'added'"""


def persons_on(list_name: str, day: date) -> str:
    """SQL giving ``one_id, person_no``, each person once, of who holds on ``day`` what is on it.

    An identifier that is shared, or nobody's on that day, stands for nobody.
    """
    on = f"DATE '{day.isoformat()}'"
    return f"""SELECT DISTINCT p.one_id, p.person_no FROM ({keys_on(list_name)}) AS k
    JOIN tenures AS t ON t.identifier_key = k.identifier_key
    JOIN persons AS p ON p.one_id = t.one_id
    WHERE t.kind IN ('sole', 'handover')
      AND (t.valid_from IS NULL OR t.valid_from <= {on})
      AND (t.valid_to IS NULL OR t.valid_to > {on})"""
