"""What must hold of every resolution whatever its rules: each claim with a query for its breaches.

``LAID_OUT`` makes the ``work_proof_…`` tables that the claims read. Nothing here is shared with
the code that makes what is tried.
"""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.identity import shape

_OPEN = "valid_from = DATE '0001-01-01' AND valid_to = DATE '9999-12-31'"


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that must hold."""

    says: str
    """What must hold."""
    broken: str
    """What those are called for which it does not hold."""
    sql: str
    """A query with one column ``place``: a text for each of them."""


def says(node: str) -> str:
    """The SQL text that names a node of ``work_proof_nodes``: type, key and stay."""
    return (
        f"{node}.type || ' ' || {node}.identifier_key"
        f" || CASE WHEN {node}.tenure > 0 THEN ' (stay ' || {node}.tenure || ')' ELSE '' END"
    )


def _shape(says: str, broken: str, place: str = "") -> Claim:
    place = place or "CASE WHEN a_no = b_no THEN 'node ' || a_no ELSE a_no || ' and ' || b_no END"
    return Claim(
        says, broken, f"SELECT {place} AS place FROM work_proof_shape WHERE broken = '{broken}'"
    )


STRUCTURE = [
    _shape("nodes are numbered from 0 without gaps", shape.WRONG_NUMBERS),
    _shape("every node is in one component", shape.NO_COMPONENT),
    _shape("a component is labelled by its least node", shape.FOREIGN_LABEL),
    _shape("two nodes have one link", shape.MALFORMED),
    Claim(
        "a link is accepted, or refused by a rule",
        "links without a verdict",
        "SELECT 'nodes ' || a_no || ' and ' || b_no AS place FROM work_links "
        "WHERE NOT coalesce(status = 'accepted' OR (status = 'refused' AND rule <> ''), false)",
    ),
]
"""Claims that all others build on."""

# Strength and key in one number: the least on an event is the strongest.
_NODES = """
CREATE OR REPLACE TEMP TABLE work_proof_nodes AS
SELECT n.node_no, n.identifier_key, n.tenure, n.type, n.is_shared, n.valid_from, n.valid_to,
  n.first_on, n.last_on, c.first_no,
  (CAST(t.strength AS HUGEINT) << 64) + n.identifier_key AS rank
FROM work_nodes AS n
JOIN work_components AS c ON c.node_no = n.node_no
JOIN work_types AS t ON t.type = n.type
"""

# Identifiers and bundles on which the date decides anything; all others are tried once.
_RESTLESS = f"""
CREATE OR REPLACE TEMP TABLE work_proof_restless AS
SELECT DISTINCT identifier_key FROM work_nodes WHERE NOT ({_OPEN})
UNION
SELECT identifier_key FROM work_nodes GROUP BY identifier_key HAVING count(*) > 1
"""

_DAYS = f"""
CREATE OR REPLACE TEMP TABLE work_proof_days AS
WITH dated AS (
  SELECT bundle_id FROM work_members SEMI JOIN work_proof_restless USING (identifier_key)
  UNION
  SELECT bundle_id FROM work_bundle_persons WHERE NOT ({_OPEN})
)
SELECT bundle_id AS day_no, bundle_id, first_on, last_on
FROM work_bundles ANTI JOIN dated USING (bundle_id)
UNION ALL
SELECT -row_number() OVER (), bundle_id, business_date, business_date
FROM (SELECT DISTINCT bundle_id, business_date FROM work_receipts SEMI JOIN dated USING (bundle_id))
"""

_PLACES = """
CREATE OR REPLACE TEMP TABLE work_proof_places AS
SELECT d.day_no, d.first_on, d.last_on, m.identifier_key, n.node_no, n.rank,
  NOT n.is_shared AS is_uniting
FROM work_proof_days AS d
JOIN work_members AS m ON m.bundle_id = d.bundle_id
LEFT JOIN work_proof_nodes AS n ON n.identifier_key = m.identifier_key
  AND d.first_on >= n.valid_from AND d.first_on < n.valid_to
WHERE m.identifier_key NOT IN (SELECT identifier_key FROM work_screened)
"""

_STARS = """
CREATE OR REPLACE TEMP TABLE work_proof_stars AS
SELECT day_no, arg_min(node_no, rank) AS star_no FROM work_proof_places
WHERE is_uniting GROUP BY day_no
"""

_DUE = """
CREATE OR REPLACE TEMP TABLE work_proof_due AS
SELECT s.day_no, d.bundle_id, d.first_on, n.one_id
FROM work_proof_stars AS s
JOIN work_components AS c ON c.node_no = s.star_no
JOIN work_named AS n ON n.first_no = c.first_no
JOIN work_proof_days AS d ON d.day_no = s.day_no
"""

_PAIRS = """
CREATE OR REPLACE TEMP TABLE work_proof_pairs AS
SELECT least(s.star_no, p.node_no) AS low_no, greatest(s.star_no, p.node_no) AS high_no
FROM work_proof_places AS p JOIN work_proof_stars AS s ON s.day_no = p.day_no
WHERE p.is_uniting AND p.node_no <> s.star_no
"""

_JOINS = f"""
CREATE OR REPLACE TEMP TABLE work_proof_joins AS
SELECT row_number() OVER () AS group_no, rule, one, other, place FROM (
  SELECT l.rule, least(a.first_no, b.first_no) AS one, greatest(a.first_no, b.first_no) AS other,
    min({says("a")} || ' – ' || {says("b")} || ' (' || l.rule || ')') AS place
  FROM work_links AS l
  JOIN work_proof_nodes AS a ON a.node_no = l.a_no
  JOIN work_proof_nodes AS b ON b.node_no = l.b_no
  WHERE l.status = 'refused' AND l.rule <> 'outlier'
  GROUP BY l.rule, one, other
)
"""

_WAIVED = """
CREATE OR REPLACE TEMP TABLE work_proof_waived AS
SELECT DISTINCT c.first_no,
  unnest(regexp_split_to_array(split_part(l.rule, ' waives ', 2), '; |, ')) AS name
FROM work_links AS l JOIN work_components AS c ON c.node_no = l.a_no
WHERE l.status = 'accepted' AND l.rule LIKE 'decision % waives %'
"""

LAID_OUT = (_NODES, _RESTLESS, _DAYS, _PLACES, _STARS, _DUE, _PAIRS, _JOINS, _WAIVED)

_OF_SHAPE = f"""
({says("a")} || CASE WHEN s.a_no = s.b_no THEN '' ELSE ' – ' || {says("b")} END) AS place
FROM work_proof_shape AS s
JOIN work_proof_nodes AS a ON a.node_no = s.a_no JOIN work_proof_nodes AS b ON b.node_no = s.b_no
"""

CLAIMS = [
    Claim(
        "the ends of an accepted link are one person",
        shape.BETWEEN_PERSONS,
        f"SELECT {_OF_SHAPE} WHERE s.broken = '{shape.BETWEEN_PERSONS}'",
    ),
    Claim(
        "a person's accepted links join all that it holds",
        shape.NOT_JOINED,
        f"SELECT {_OF_SHAPE} WHERE s.broken = '{shape.NOT_JOINED}'",
    ),
    Claim(
        "what is shared has no link and no person",
        "shared stays with a link or a person",
        f"""
        SELECT {says("n")} AS place FROM work_proof_nodes AS n WHERE is_shared AND (
          first_no IN (SELECT first_no FROM work_named)
          OR node_no IN (SELECT a_no FROM work_links UNION ALL SELECT b_no FROM work_links)
          OR first_no IN (SELECT first_no FROM work_components WHERE node_no <> first_no)
        )
        """,
    ),
    Claim(
        "what is screened has no node",
        "screened identifiers with a node",
        f"SELECT {says('n')} AS place FROM work_proof_nodes AS n "
        "WHERE identifier_key IN (SELECT identifier_key FROM work_screened)",
    ),
    Claim(
        "two identifiers that a decision unlinked are two persons",
        "unlinked identifiers in one person",
        f"""
        SELECT {says("a")} || ' and ' || {says("b")} || ' (' || d.decision_id || ')' AS place
        FROM work_decisions AS d
        JOIN work_proof_nodes AS a ON a.identifier_key = d.identifier_key_a
        JOIN work_proof_nodes AS b ON b.identifier_key = d.identifier_key_b
          AND b.first_no = a.first_no
        WHERE d.kind = 'unlink'
        """,
    ),
    Claim(
        "an identifier that a decision blocked has no node",
        "blocked identifiers with a node",
        f"SELECT {says('n')} || ' (' || d.decision_id || ')' AS place FROM work_decisions AS d "
        "JOIN work_proof_nodes AS n ON n.identifier_key = d.identifier_key_a "
        "WHERE d.kind = 'block'",
    ),
    Claim(
        "two identifiers that a decision linked are one person",
        "linked identifiers in two persons",
        f"""
        SELECT min({says("a")} || ' and ' || {says("b")}) || ' (' || d.decision_id || ')' AS place
        FROM work_decisions AS d
        JOIN work_proof_nodes AS a ON a.identifier_key = d.identifier_key_a AND NOT a.is_shared
        JOIN work_proof_nodes AS b ON b.identifier_key = d.identifier_key_b AND NOT b.is_shared
        LEFT JOIN (
          SELECT least(a_no, b_no) AS low_no, greatest(a_no, b_no) AS high_no FROM work_links
          WHERE status = 'refused' AND starts_with(rule, 'decision ')
        ) AS l ON l.low_no = least(a.node_no, b.node_no)
          AND l.high_no = greatest(a.node_no, b.node_no)
        WHERE d.kind = 'link'
        GROUP BY d.decision_id
        HAVING count(*) FILTER (WHERE a.first_no = b.first_no OR l.low_no IS NOT NULL) = 0
        """,
    ),
    Claim(
        "every usable identifier has one stay on each date on which it was seen",
        "identifiers seen in no or several stays",
        """
        SELECT identifier_key || ' on ' || first_on AS place FROM work_proof_places
        WHERE node_no IS NULL
        UNION ALL
        SELECT identifier_key || ' on ' || any_value(first_on) FROM work_proof_places
        SEMI JOIN work_proof_restless USING (identifier_key)
        GROUP BY identifier_key, day_no HAVING count(*) > 1
        """,
    ),
    Claim(
        "a stay's first and last day are those on which it was seen",
        "stays with foreign days",
        f"""
        SELECT {says("n")} AS place FROM work_proof_nodes AS n
        LEFT JOIN (
          SELECT node_no, min(first_on) AS first_on, max(last_on) AS last_on
          FROM work_proof_places GROUP BY node_no
        ) AS s ON s.node_no = n.node_no
        WHERE s.first_on IS DISTINCT FROM n.first_on OR s.last_on IS DISTINCT FROM n.last_on
        """,
    ),
    Claim(
        "on each event the strongest that unites is linked to each of the others",
        "identifiers seen together without a link",
        f"""
        SELECT DISTINCT {says("a")} || ' – ' || {says("b")} AS place
        FROM work_proof_pairs AS p
        JOIN work_proof_nodes AS a ON a.node_no = p.low_no
        JOIN work_proof_nodes AS b ON b.node_no = p.high_no
        ANTI JOIN (
          SELECT least(a_no, b_no) AS low_no, greatest(a_no, b_no) AS high_no FROM work_links
        ) AS l ON l.low_no = p.low_no AND l.high_no = p.high_no
        """,
    ),
    Claim(
        "two nodes have a link where an event or a decision gives one",
        "links without evidence",
        f"""
        SELECT {says("a")} || ' – ' || {says("b")} AS place
        FROM (
          SELECT least(a_no, b_no) AS low_no, greatest(a_no, b_no) AS high_no FROM work_links
        ) AS l
        ANTI JOIN work_proof_pairs AS p ON p.low_no = l.low_no AND p.high_no = l.high_no
        JOIN work_proof_nodes AS a ON a.node_no = l.low_no
        JOIN work_proof_nodes AS b ON b.node_no = l.high_no
        ANTI JOIN work_decisions AS d ON d.kind = 'link'
          AND least(d.identifier_key_a, d.identifier_key_b)
            = least(a.identifier_key, b.identifier_key)
          AND greatest(d.identifier_key_a, d.identifier_key_b)
            = greatest(a.identifier_key, b.identifier_key)
        """,
    ),
    Claim(
        "a bundle has at most one person at a time",
        "bundles with two persons at a time",
        """
        SELECT 'bundle ' || bundle_id || ' from ' || valid_to AS place FROM (
          SELECT *, lead(valid_from) OVER (PARTITION BY bundle_id ORDER BY valid_from) AS next_from
          FROM work_bundle_persons SEMI JOIN (
            SELECT bundle_id FROM work_bundle_persons GROUP BY bundle_id HAVING count(*) > 1
          ) USING (bundle_id)
        ) WHERE next_from < valid_to
        """,
    ),
    Claim(
        "on each date a bundle has the person of its strongest identifier that unites",
        "bundles without their person",
        """
        SELECT 'bundle ' || d.bundle_id || ' on ' || d.first_on AS place
        FROM work_proof_due AS d LEFT JOIN work_bundle_persons AS b ON b.bundle_id = d.bundle_id
          AND d.first_on >= b.valid_from AND d.first_on < b.valid_to
        WHERE b.one_id IS DISTINCT FROM d.one_id
        """,
    ),
    Claim(
        "a refused link's ends are two persons, or it is an outlier",
        "refused links inside one person",
        "SELECT place FROM work_proof_joins WHERE one = other",
    ),
    Claim(
        "a link refused by a decision would join two identifiers that it unlinked",
        "refusals that no decision bears out",
        """
        SELECT place FROM work_proof_joins AS j
        ANTI JOIN (
          SELECT d.decision_id, least(a.first_no, b.first_no) AS one,
            greatest(a.first_no, b.first_no) AS other
          FROM work_decisions AS d
          JOIN work_proof_nodes AS a ON a.identifier_key = d.identifier_key_a
          JOIN work_proof_nodes AS b ON b.identifier_key = d.identifier_key_b
          WHERE d.kind = 'unlink'
        ) AS u ON j.rule = 'decision ' || u.decision_id AND j.one = u.one AND j.other = u.other
        WHERE starts_with(j.rule, 'decision ')
        """,
    ),
]
"""Claims about the work tables, in the order of the steps that make them."""


PUBLISHED = (
    Claim(
        "whoever a stay or a bundle is given to is a person",
        "holders who are no person",
        """
        SELECT DISTINCT one_id AS place FROM (
          SELECT one_id FROM tenures WHERE one_id IS NOT NULL
          UNION ALL SELECT one_id FROM bundle_persons
        ) ANTI JOIN persons USING (one_id)
        """,
    ),
    Claim(
        "every person holds something",
        "persons who hold nothing",
        "SELECT one_id AS place FROM persons ANTI JOIN tenures USING (one_id)",
    ),
    Claim(
        "what is screened has one stay, which says so, and no link",
        "screened identifiers that are something else",
        """
        SELECT s.type || ' ' || s.identifier_key AS place
        FROM screened AS s JOIN tenures AS t ON t.identifier_key = s.identifier_key
        WHERE t.kind <> s.reason OR t.tenure > 0
        UNION ALL
        SELECT s.type || ' ' || s.identifier_key FROM screened AS s
        ANTI JOIN tenures USING (identifier_key)
        UNION ALL
        SELECT s.type || ' ' || s.identifier_key FROM screened AS s JOIN links AS l
          ON s.identifier_key = l.identifier_key_a OR s.identifier_key = l.identifier_key_b
        """,
    ),
    Claim(
        "identifiers have a raw component or are screened",
        "stays without a raw component",
        """
        SELECT type || ' ' || identifier_key AS place FROM tenures
        ANTI JOIN raw_components USING (identifier_key)
        WHERE kind NOT IN ('blocked', 'hub')
        """,
    ),
)
"""What must hold of the tables as they will be read, whatever part of them was worked out."""
