"""Publishing: the tables that a resolution gives, written into the draft.

A resolution of a part (``work_scope``) writes anew what it worked out and keeps the rest.
"""

from __future__ import annotations

from lake.draft import Draft
from schemas import catalog

STAY_KIND = """CASE WHEN n.is_shared THEN 'shared' WHEN h.one_id IS NULL THEN 'alone'
    WHEN n.valid_from > DATE '0001-01-01' OR n.valid_to < DATE '9999-12-31' THEN 'handover'
    ELSE 'sole' END"""
"""The kind of a stay, of a row n of ``work_nodes`` and h of ``work_holders`` or none."""

# A stay's first receipt; a screened identifier has one stay without a holder.
TENURES = f"""
SELECT n.identifier_key, n.tenure, n.type, h.one_id,
  {STAY_KIND} AS kind,
  nullif(n.valid_from, DATE '0001-01-01') AS valid_from,
  nullif(n.valid_to, DATE '9999-12-31') AS valid_to,
  r.received_at, r.source, r.event_id
FROM work_nodes AS n
JOIN work_receipts AS r ON r.receipt_no = n.birth_receipt
LEFT JOIN work_holders AS h ON h.node_no = n.node_no
UNION ALL
SELECT m.identifier_key, 0, m.type, NULL, s.reason, NULL, NULL, r.received_at, r.source, r.event_id
FROM (
  SELECT m.identifier_key, any_value(m.type) AS type, min(b.receipt_no) AS receipt_no
  FROM work_members AS m JOIN work_bundles AS b ON b.bundle_id = m.bundle_id
  WHERE m.identifier_key IN (SELECT identifier_key FROM work_scope)
  GROUP BY m.identifier_key
) AS m
JOIN work_screened AS s ON s.identifier_key = m.identifier_key
JOIN work_receipts AS r ON r.receipt_no = m.receipt_no
UNION ALL
SELECT t.* REPLACE (s.reason AS kind) FROM tenures AS t
JOIN work_screened AS s ON s.identifier_key = t.identifier_key
WHERE t.identifier_key IN (SELECT identifier_key FROM work_reworded)
"""

LINKS = """
SELECT least(a.identifier_key, b.identifier_key) AS identifier_key_a,
  CASE WHEN a.identifier_key < b.identifier_key THEN a.tenure ELSE b.tenure END AS tenure_a,
  greatest(a.identifier_key, b.identifier_key) AS identifier_key_b,
  CASE WHEN a.identifier_key < b.identifier_key THEN b.tenure ELSE a.tenure END AS tenure_b,
  l.status, l.rule, l.blocker, l.evidence,
  coalesce(r.received_at, d.received_at) AS received_at,
  coalesce(r.source, 'identity_decisions') AS source,
  coalesce(r.event_id, d.decision_id) AS event_id
FROM work_links AS l
JOIN work_nodes AS a ON a.node_no = l.a_no
JOIN work_nodes AS b ON b.node_no = l.b_no
LEFT JOIN work_receipts AS r ON r.receipt_no = l.receipt_no
LEFT JOIN identity_decisions AS d ON d.decision_id = l.decision_id
"""

_NEW_NUMBERS = """
SELECT one_id, row_number() OVER (ORDER BY first_no) - 1
  + (SELECT coalesce(max(person_no) + 1, 0) FROM person_numbers) AS person_no
FROM work_named
WHERE one_id NOT IN (SELECT one_id FROM person_numbers)
"""

_PERSONS = """
SELECT p.one_id, n.person_no, p.born_at, p.birth_source, p.birth_event_id, p.birth_path,
  h.count_identifiers
FROM work_named AS p
JOIN person_numbers AS n ON n.one_id = p.one_id
JOIN (
  SELECT one_id, count(DISTINCT identifier_key) AS count_identifiers
  FROM work_holders GROUP BY one_id
) AS h ON h.one_id = p.one_id
"""

_SCOPE = "SELECT identifier_key FROM work_scope"
_CHANGES = "SELECT * FROM work_scope UNION ALL SELECT * FROM work_reworded"
_GONE = {
    "raw_components": f"identifier_key IN ({_SCOPE})",
    "tenures": f"identifier_key IN ({_SCOPE}) "
    "OR identifier_key IN (SELECT identifier_key FROM work_reworded)",
    "links": f"identifier_key_a IN ({_SCOPE}) OR identifier_key_b IN ({_SCOPE})",
    "persons": "one_id IN (SELECT one_id FROM work_before WHERE one_id IS NOT NULL)",
    "bundle_persons": "bundle_id IN (SELECT bundle_id FROM work_scope_bundles) "
    "OR (is_borrowed AND bundle_id IN (SELECT bundle_id FROM work_lent_bundles))",
}


def publish_state(draft: Draft, *, is_whole: bool) -> None:
    """Write what holds now; person_no goes to new persons only, in order of birth.

    A table of which nothing changed is not written.
    """
    made = {
        "raw_components": "SELECT * FROM work_raw_components",
        "tenures": TENURES,
        "links": LINKS,
        "persons": _PERSONS,
    }
    if is_whole or _is_there(draft, _CHANGES):
        draft.append("person_numbers", _NEW_NUMBERS)
        for name, fresh in made.items():
            draft.replace(name, fresh if is_whole else _beside(name, fresh))
    _refresh(draft, "screened", "SELECT * FROM work_screened", "SELECT * FROM screened")
    fresh = "SELECT * FROM work_bundle_persons"
    _refresh(
        draft,
        "bundle_persons",
        fresh,
        "SELECT * FROM bundle_persons" + ("" if is_whole else f" WHERE {_GONE['bundle_persons']}"),
        fresh if is_whole else _beside("bundle_persons", fresh),
    )


def _beside(name: str, fresh: str) -> str:
    """What was worked out, and what was not looked at."""
    return (
        f"SELECT * FROM ({fresh}) UNION ALL BY NAME SELECT * FROM {name} WHERE NOT ({_GONE[name]})"
    )


def _refresh(draft: Draft, name: str, fresh: str, stale: str, whole: str = "") -> None:
    """Put ``whole`` (or ``fresh``) in place of the table, if ``fresh`` and ``stale`` differ."""
    columns = ", ".join(catalog.table(name).schema.names)
    now, before = (f"SELECT {columns} FROM ({sql})" for sql in (fresh, stale))
    if any(_is_there(draft, f"{a} EXCEPT {b}") for a, b in ((now, before), (before, now))):
        draft.replace(name, whole or fresh)


def _is_there(draft: Draft, sql: str) -> bool:
    return bool(draft.session.rows(f"SELECT 1 FROM ({sql}) LIMIT 1"))
