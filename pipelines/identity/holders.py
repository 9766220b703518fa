"""Holders: with whom an identifier was seen when, who of them only passed by, who shared it.

Local to an identifier and its partners: for an identifier and each partner type that its rules
call exclusive, the partners are its holders, with the distinct days on which they met. A holder
*passes by*, so that its link is refused as an outlier, where another of the same type

- has ``passer_by_times`` its days (``shared_times`` for a value that is one person's for life),
  and was there before and after;
- has ``strong_days`` and is within ``near_days``, while it has one day only;
- of a value for life: has more days, was there before and after, and it came in one turn only;
- of a value for life: where the holder itself is at home elsewhere at the time, with more days;
- of ``overlap: strongest``: has strictly more days than all others of its time.

The rest fall into *islands*: a holder belongs to the island before it unless more than
``silence_days`` lie between. An island of several holders means sharing.
"""

from __future__ import annotations

from lake.engines.duckdb import Session, quoted
from pipelines.identity.evidence import values
from schemas.identity_rules import IdentityRules

_PARTNERS = """
CREATE OR REPLACE TEMP TABLE work_partners AS
SELECT DISTINCT one.identifier_key, one.type, other.identifier_key AS partner_key,
  other.type AS partner_type
FROM work_usable AS one
JOIN work_exclusive AS e ON e.type = one.type
JOIN work_usable AS other ON other.bundle_id = one.bundle_id
  AND other.type = e.partner AND other.identifier_key <> one.identifier_key
"""

_RIVALLED = """
CREATE OR REPLACE TEMP TABLE work_rivalled AS
SELECT DISTINCT identifier_key FROM work_partners
GROUP BY identifier_key, partner_type HAVING count(*) > 1
"""

# Partners of one stronger holder count as one: two phones that one user verified.
_ALIASES = """
CREATE OR REPLACE TEMP TABLE work_aliases AS
SELECT p.identifier_key, min(p.partner_key) AS holder
FROM work_partners AS p
JOIN work_exclusive AS e ON e.type = p.type AND e.partner = p.partner_type AND e.place = 0
GROUP BY p.identifier_key HAVING count(*) = 1
"""

# The rivalled, and what holders of values for life hold beside them.
_MEETINGS = """
CREATE OR REPLACE TEMP TABLE work_meetings AS
WITH weighed AS (
  SELECT * FROM work_partners
  WHERE identifier_key IN (SELECT identifier_key FROM work_rivalled)
  UNION
  SELECT other.* FROM work_partners AS p
  JOIN work_exclusive AS e ON e.type = p.type AND e.partner = p.partner_type
    AND NOT e.is_transferable
  JOIN work_partners AS other ON other.partner_key = p.partner_key AND other.type = p.type
  WHERE p.identifier_key IN (SELECT identifier_key FROM work_rivalled)
)
SELECT DISTINCT w.*, r.business_date
FROM weighed AS w
JOIN work_usable AS one ON one.identifier_key = w.identifier_key
JOIN work_usable AS other ON other.bundle_id = one.bundle_id
  AND other.identifier_key = w.partner_key
JOIN work_receipts AS r ON r.bundle_id = one.bundle_id
"""

_EMPTY = """
CREATE OR REPLACE TEMP TABLE work_passing AS
SELECT CAST(NULL AS BIGINT) AS identifier_key, CAST(NULL AS BIGINT) AS partner_key WHERE false;
CREATE OR REPLACE TEMP TABLE work_islands AS
SELECT CAST(NULL AS BIGINT) AS identifier_key, CAST(NULL AS VARCHAR) AS partner_type,
  CAST(NULL AS BIGINT) AS island, CAST(NULL AS DATE) AS first_on, CAST(NULL AS DATE) AS last_on,
  CAST(NULL AS BIGINT) AS count_holders, CAST(NULL AS BOOLEAN) AS is_strongest WHERE false;
CREATE OR REPLACE TEMP TABLE work_shared_for_life AS
SELECT CAST(NULL AS BIGINT) AS identifier_key WHERE false
"""

_HOLDERS = """
CREATE OR REPLACE TEMP TABLE work_met AS
SELECT m.identifier_key, m.type, m.partner_type, m.partner_key,
  {holder} AS holder, m.business_date
FROM work_meetings AS m
JOIN work_exclusive AS e ON e.type = m.type AND e.partner = m.partner_type
  AND e.is_transferable = {transferable}
LEFT JOIN work_aliases AS a ON a.identifier_key = m.partner_key
WHERE m.partner_key NOT IN (SELECT identifier_key FROM work_shared_for_life);
CREATE OR REPLACE TEMP TABLE work_holders_met AS
SELECT identifier_key, type, partner_type, holder, min(business_date) AS first_on,
  max(business_date) AS last_on, count(DISTINCT business_date) AS days
FROM work_met GROUP BY identifier_key, type, partner_type, holder;
CREATE OR REPLACE TEMP TABLE work_rivals AS
SELECT h.*, e.silence_days, e.near_days, e.is_strongest FROM work_holders_met AS h
JOIN work_exclusive AS e ON e.type = h.type AND e.partner = h.partner_type
QUALIFY count(*) OVER (PARTITION BY identifier_key, partner_type) > 1
"""

_BESIDE = """
SELECT p.identifier_key, p.partner_type, p.holder
FROM work_rivals AS p JOIN work_rivals AS q
  ON q.identifier_key = p.identifier_key AND q.partner_type = p.partner_type
  AND q.holder <> p.holder
WHERE {condition}
"""

_WITHIN = "q.first_on <= p.first_on AND p.last_on <= q.last_on"
_NEAR = (
    "p.days = 1 AND p.near_days > 0 AND q.days >= {strong} "
    "AND p.first_on BETWEEN q.first_on - p.near_days AND q.last_on + p.near_days"
)

_ONE_TURN = f"""
SELECT p.identifier_key, p.partner_type, p.holder
FROM (
  SELECT identifier_key, partner_type, holder, count(*) FILTER (WHERE is_turn) AS turns
  FROM (
    SELECT *, lag(holder) OVER (
      PARTITION BY identifier_key, partner_type ORDER BY business_date, holder
    ) IS DISTINCT FROM holder AS is_turn
    FROM (SELECT DISTINCT identifier_key, partner_type, holder, business_date FROM work_met)
  )
  GROUP BY identifier_key, partner_type, holder
  HAVING turns = 1
) AS t
JOIN work_rivals AS p ON p.identifier_key = t.identifier_key
  AND p.partner_type = t.partner_type AND p.holder = t.holder
JOIN work_rivals AS q ON q.identifier_key = p.identifier_key
  AND q.partner_type = p.partner_type AND q.holder <> p.holder
WHERE q.days > p.days AND {_WITHIN}
"""

# Of each partner by itself, whose other stays may outweigh this one.
_ELSEWHERE = """
SELECT here.identifier_key, here.partner_type, here.holder
FROM work_pairs_met AS here
JOIN work_rivals AS r ON r.identifier_key = here.identifier_key
  AND r.partner_type = here.partner_type AND r.holder = here.holder
JOIN work_pairs_met AS there ON there.partner_key = here.partner_key
  AND there.type = here.type AND there.identifier_key <> here.identifier_key
WHERE there.days > here.days
  AND there.first_on <= here.last_on AND here.first_on <= there.last_on
"""
_PAIRS_MET = """
CREATE OR REPLACE TEMP TABLE work_pairs_met AS
SELECT identifier_key, type, partner_type, partner_key, holder, min(business_date) AS first_on,
  max(business_date) AS last_on, count(DISTINCT business_date) AS days
FROM work_met GROUP BY identifier_key, type, partner_type, partner_key, holder
"""

_STAYING = """
SELECT *, sum(CASE WHEN before IS NULL OR first_on > before + silence_days THEN 1 ELSE 0 END)
  OVER (PARTITION BY identifier_key, partner_type ORDER BY first_on, last_on, holder) AS island
FROM (
  SELECT *, max(last_on) OVER (
    PARTITION BY identifier_key, partner_type ORDER BY first_on, last_on, holder
    ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
  ) AS before
  FROM (
    SELECT * FROM work_rivals
    ANTI JOIN work_passers_by USING (identifier_key, partner_type, holder)
  )
)
"""

_WEAKER = f"""
WITH placed AS (
  SELECT *, rank() OVER w AS place, count(*) OVER (
    PARTITION BY identifier_key, partner_type, island
  ) AS count_holders
  FROM ({_STAYING}) WHERE is_strongest
  WINDOW w AS (PARTITION BY identifier_key, partner_type, island ORDER BY days DESC)
),
decided AS (
  SELECT identifier_key, partner_type, island FROM placed
  WHERE place = 1 GROUP BY identifier_key, partner_type, island HAVING count(*) = 1
)
SELECT identifier_key, partner_type, holder FROM placed
JOIN decided USING (identifier_key, partner_type, island) WHERE place > 1
"""

_KEEP = f"""
INSERT INTO work_passing
SELECT DISTINCT m.identifier_key, m.partner_key FROM work_met AS m
JOIN work_passers_by USING (identifier_key, partner_type, holder);
INSERT INTO work_islands
SELECT identifier_key, partner_type, island, min(first_on), max(last_on), count(*),
  any_value(is_strongest)
FROM ({_STAYING}) GROUP BY identifier_key, partner_type, island
"""


def weigh(session: Session, rules: IdentityRules) -> None:
    """Weigh the holders of every usable identifier that has several; reads ``work_usable``.

    ``work_exclusive``: the rules. ``work_rivalled``: identifiers with several holders of a type.
    ``work_meetings``: who met whom on which dates, of these. ``work_passing``: (identifier_key,
    partner_key) that only passed by. ``work_islands``: the holders that stay, grouped by time.
    ``work_shared_for_life``: values for life that several share.
    """
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE work_exclusive AS SELECT * FROM {_listed(rules)}"
    )
    for statement in (_PARTNERS, _RIVALLED, _ALIASES, _MEETINGS, _EMPTY):
        session.execute(statement)
    if not session.rows("SELECT 1 FROM work_rivalled LIMIT 1"):
        return
    weights = rules.weights
    session.execute(_HOLDERS.format(holder="coalesce(a.holder, m.partner_key)", transferable=False))
    session.execute(_PAIRS_MET)
    outweighed = f"q.days >= p.days * {weights.shared_times} AND {_WITHIN}"
    passing = [_BESIDE.format(condition=outweighed), _ONE_TURN, _ELSEWHERE]
    _set_aside(session, passing)
    session.execute(
        "INSERT INTO work_shared_for_life SELECT DISTINCT identifier_key FROM work_islands "
        "WHERE count_holders > 1"
    )
    session.execute(_HOLDERS.format(holder="m.partner_key", transferable=True))
    outweighed = f"q.days >= p.days * {weights.passer_by_times} AND {_WITHIN}"
    near = _NEAR.format(strong=weights.strong_days)
    _set_aside(session, [_BESIDE.format(condition=f"({outweighed}) OR ({near})")])


def _set_aside(session: Session, passing: list[str]) -> None:
    session.execute("CREATE OR REPLACE TEMP TABLE work_passers_by AS " + " UNION ".join(passing))
    session.execute(f"INSERT INTO work_passers_by {_WEAKER}")
    session.execute(_KEEP)


def _listed(rules: IdentityRules) -> str:
    rows = [
        (
            quoted(one.type), quoted(it.of), place, it.silence_days, it.near_days,
            it.overlap == "strongest", one.transferable,
        )
        for one in rules.types
        for place, it in enumerate(one.exclusive)
    ]  # fmt: skip
    names = ("type", "partner", "place", "silence_days", "near_days", "is_strongest")
    return values(rows, *names, "is_transferable")
