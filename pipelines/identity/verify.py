"""The proof of a resolution: its own tables are read again, and every claim in them is tried.

It shares no code with the union, the naming or the assignment that it tries, and it trusts no
label: persons are compared with the components that scipy finds in the accepted links, limits
are counted anew, refusals must still be right at the end, and what came in must have gone out.
Time is O(n log n) in the rows of the work tables, memory DuckDB's limit and a few arrays.

Refusals can be tried at the end because limits are monotone: what a link would have broken when
it was weighed, it would break still, since persons only grow. A person with a link that waived a
limit is tried for having that limit broken, and for no other.

Taken as given are what the rules mean (``limits``) and, before any link, what is screened, shared,
verified, and where one stay ends: the property tests hold these against a slow oracle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lake.engines.duckdb import Session, quoted
from pipelines.identity.claims import CLAIMS, LAID_OUT, PUBLISHED, STRUCTURE, Claim, says
from pipelines.identity.limits import Limit, limits
from pipelines.identity.shape import lay_out_shape
from schemas.errors import QualityError
from schemas.identity_rules import IdentityRules


def verify(session: Session, rules: IdentityRules) -> None:
    """Try every claim of the resolution in the session's ``work_…`` tables.

    Reads work_receipts, work_bundles, work_members, work_types, work_screened, work_decisions,
    work_nodes, work_verified, work_links, work_components, work_named and work_bundle_persons.
    QualityError (exit 3) names each broken claim with how often it is broken and three examples.
    """
    lay_out_shape(session)
    _hold(session, STRUCTURE)
    for statement in LAID_OUT:
        session.execute(statement)
    by_rules = [_named(rules), _lent(rules), _outliers(rules), *_limits(rules), *_refusals(rules)]
    _hold(session, [*CLAIMS, *by_rules])
    for (name,) in session.rows(
        "SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, 'work_proof_')"
    ):
        session.execute(f'DROP TABLE "{name}"')


def verify_published(session: Session) -> None:
    """Try the tables of identity as the release will show them, old rows beside new ones.

    QualityError as of ``verify``.
    """
    _hold(session, PUBLISHED)


_VERIFIED = "n.node_no IN (SELECT node_no FROM work_verified) AS is_verified"


def _hold(session: Session, claims: Iterable[Claim]) -> None:
    broken: list[tuple[Claim, str]] = []
    for claim in claims:
        ((count, some),) = session.rows(f"SELECT count(*), min(place, 3) FROM ({claim.sql})")
        if count:
            assert isinstance(some, list)
            broken.append((claim, f"{claim.broken}: {count} (e.g. {'; '.join(some)})"))
    if broken:
        raise QualityError(
            f"identity fails its proof: {broken[0][0].broken}; nothing was published",
            expected="; ".join(claim.says for claim, _ in broken),
            got="; ".join(text for _, text in broken),
            where="the tables of the resolution, before their release",
            todo="the last release still holds; keep the lake as it is and report this",
        )


def _named(rules: IdentityRules) -> Claim:
    never = _listed(one.type for one in rules.types if not one.may_stand_alone)
    return Claim(
        "every component that may be a person has one one_id, and no other has any",
        "components with no, several or undue names",
        f"""
        WITH due AS (
          SELECT DISTINCT first_no FROM work_proof_nodes
          WHERE NOT is_shared AND type NOT IN ({never})
        )
        SELECT 'node ' || coalesce(d.first_no, p.first_no) AS place
        FROM due AS d FULL JOIN work_named AS p ON p.first_no = d.first_no
        GROUP BY coalesce(d.first_no, p.first_no)
        HAVING count(d.first_no) <> 1 OR count(p.one_id) <> 1
        UNION ALL
        SELECT one_id FROM work_named GROUP BY one_id HAVING count(*) > 1
        """,
    )


def _lent(rules: IdentityRules) -> Claim:
    borrowed = _listed(one.type for one in rules.types if one.borrowed_by)
    return Claim(
        "a bundle on which nothing unites has a person by what is lent alone",
        "bundles with a person from nowhere",
        f"""
        SELECT 'bundle ' || d.bundle_id || ' on ' || d.first_on AS place
        FROM (SELECT * FROM work_proof_days ANTI JOIN work_proof_due USING (day_no)) AS d
        JOIN work_bundle_persons AS b ON b.bundle_id = d.bundle_id
          AND d.first_on >= b.valid_from AND d.first_on < b.valid_to
        ANTI JOIN (SELECT bundle_id FROM work_members WHERE type IN ({borrowed})) AS m
          ON m.bundle_id = d.bundle_id
        """,
    )


def _outliers(rules: IdentityRules) -> Claim:
    """Other holders, or for a lifelong value the holder's other values, have as many days."""
    exclusive = ", ".join(
        f"({quoted(one.type)}, {quoted(it.of)}, {not one.transferable})"
        for one in rules.types
        for it in one.exclusive
    )
    return Claim(
        "an outlier has a rival that was seen on as many days",
        "outliers without a rival",
        f"""
        WITH ends AS (
          SELECT a.identifier_key AS held, a.type, b.identifier_key AS holder, b.type AS partner,
            least({says("a")}, {says("b")}) || ' – ' || greatest({says("a")}, {says("b")}) AS place
          FROM (
            SELECT a_no, b_no FROM work_links WHERE rule = 'outlier'
            UNION ALL SELECT b_no, a_no FROM work_links WHERE rule = 'outlier'
          ) AS l
          JOIN work_proof_nodes AS a ON a.node_no = l.a_no
          JOIN work_proof_nodes AS b ON b.node_no = l.b_no
        ),
        ruled AS (
          SELECT e.*, x.is_lifelong FROM ends AS e
          JOIN (VALUES {exclusive or "('', '', false)"}) AS x(type, partner, is_lifelong)
            ON x.type = e.type AND x.partner = e.partner
        ),
        looked_at AS (
          SELECT held AS one, partner AS type FROM ruled
          UNION SELECT holder, type FROM ruled WHERE is_lifelong
        ),
        met AS (
          SELECT DISTINCT w.one, w.type, y.identifier_key AS other, r.business_date
          FROM looked_at AS w
          JOIN work_members AS x ON x.identifier_key = w.one
          JOIN work_members AS y ON y.bundle_id = x.bundle_id AND y.type = w.type
            AND y.identifier_key <> w.one
            AND y.identifier_key NOT IN (SELECT identifier_key FROM work_screened)
          JOIN work_receipts AS r ON r.bundle_id = x.bundle_id
        ),
        dates AS (
          SELECT one, type, business_date, count(*) AS others, any_value(other) AS other
          FROM met GROUP BY one, type, business_date
        ),
        weighed AS (
          SELECT m.one, m.other, m.days, t.days - coalesce(alone.days, 0) AS rivals
          FROM (SELECT one, type, other, count(*) AS days FROM met GROUP BY ALL) AS m
          JOIN (SELECT one, type, count(*) AS days FROM dates GROUP BY ALL) AS t
            ON t.one = m.one AND t.type = m.type
          LEFT JOIN (
            SELECT one, other, count(*) AS days FROM dates WHERE others = 1 GROUP BY ALL
          ) AS alone ON alone.one = m.one AND alone.other = m.other
        ),
        borne_out AS (
          SELECT r.place FROM ruled AS r JOIN weighed AS w ON w.rivals >= w.days
            AND w.one = r.held AND w.other = r.holder
          UNION
          SELECT r.place FROM ruled AS r JOIN weighed AS w ON w.rivals >= w.days
            AND r.is_lifelong AND w.one = r.holder AND w.other = r.held
        )
        SELECT DISTINCT place FROM ends ANTI JOIN borne_out USING (place)
        """,
    )


def _limits(rules: IdentityRules) -> Iterator[Claim]:
    """A person whom a decision gave more than a limit allows is tried for that alone."""
    waived = "SELECT first_no FROM work_proof_waived"
    for limit in limits(rules):
        persons = (
            f"SELECT n.*, {_VERIFIED}, first_no AS group_no FROM work_proof_nodes AS n "
            f"WHERE type = {quoted(limit.type)} AND first_no NOT IN ({waived})"
        )
        yield Claim(
            f"a person has {limit.name}",
            f"persons beyond {limit.name}",
            f"SELECT {says('n')} AS place FROM ({breaking(persons, limit)}) AS g "
            "JOIN work_proof_nodes AS n ON n.node_no = g.group_no",
        )


def _refusals(rules: IdentityRules) -> Iterator[Claim]:
    named: dict[str, list[Limit]] = {}
    for limit in limits(rules):
        named.setdefault(limit.name, []).append(limit)
    for name, bounds in named.items():
        yield _refused(name, bounds)
        yield _waived(name, bounds)
    known = _listed(["outlier", *named])
    yield Claim(
        "a refusal or a waiver names a rule or a decision in force",
        "links with an unknown rule",
        f"""
        SELECT rule AS place FROM work_links WHERE status = 'refused'
          AND rule NOT IN ({known}) AND NOT starts_with(rule, 'decision ')
        UNION ALL
        SELECT name FROM work_proof_waived WHERE name NOT IN ({known})
        UNION ALL
        SELECT rule FROM work_links WHERE starts_with(rule, 'decision ')
          AND split_part(rule, ' ', 2) NOT IN (SELECT decision_id FROM work_decisions)
        """,
    )


def _refused(name: str, bounds: list[Limit]) -> Claim:
    joined = " UNION ALL ".join(
        f"SELECT n.*, {_VERIFIED}, j.group_no FROM work_proof_joins AS j "
        f"JOIN work_proof_nodes AS n ON n.first_no = j.{side} "
        f"WHERE j.rule = {quoted(name)} AND n.type = {quoted(bounds[0].type)}"
        for side in ("one", "other")
    )
    return Claim(
        f"the two persons of a link refused by {name} would break it together",
        f"refusals without a reason by {name}",
        f"SELECT place FROM work_proof_joins WHERE rule = {quoted(name)} "
        f"AND group_no NOT IN ({_breaking_any(joined, bounds)})",
    )


def _waived(name: str, bounds: list[Limit]) -> Claim:
    persons = (
        f"SELECT n.*, {_VERIFIED}, n.first_no AS group_no FROM work_proof_nodes AS n "
        "JOIN work_proof_waived AS w ON w.first_no = n.first_no "
        f"WHERE w.name = {quoted(name)} AND n.type = {quoted(bounds[0].type)}"
    )
    return Claim(
        f"a person for whom {name} was waived breaks it",
        f"waivers without a reason of {name}",
        f"SELECT {says('n')} AS place FROM work_proof_waived AS w "
        f"JOIN work_proof_nodes AS n ON n.node_no = w.first_no WHERE w.name = {quoted(name)} "
        f"AND w.first_no NOT IN ({_breaking_any(persons, bounds)})",
    )


def _breaking_any(groups: str, bounds: list[Limit]) -> str:
    return " UNION ".join(breaking(groups, limit) for limit in bounds)


def breaking(groups: str, limit: Limit) -> str:
    """A query for the ``group_no`` in which more values than allowed conflict with one another.

    A value stands from its first day to so many days before its last as the limit tolerates, so
    that two values conflict where they stand on one day, and several where all do. ``deep`` are
    the values that stand on a day, ``doubtful`` the unverified nodes among theirs.
    """
    counted, beyond = "true", f"deep > {limit.at_most}"
    if limit.unless_verified and limit.at_most > 1:
        counted = "NOT is_verified"
    elif limit.unless_verified:
        beyond = "deep > 1 AND doubtful > 0"
    return f"""
    WITH stands AS (
      SELECT group_no, identifier_key, is_verified, first_on - DATE '1970-01-01' AS first,
        last_on - DATE '1970-01-01' - {limit.tolerance} + 1 AS until
      FROM ({groups}) WHERE {counted} AND last_on - first_on >= {limit.tolerance}
    ),
    many AS (
      SELECT group_no FROM stands GROUP BY group_no
      HAVING count(DISTINCT identifier_key) > {limit.at_most}
    ),
    told AS (
      SELECT *, greatest(first, coalesce(max(until) OVER (
        PARTITION BY group_no, identifier_key ORDER BY first, until
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
      ), first)) AS fresh
      FROM stands SEMI JOIN many USING (group_no)
    ),
    steps AS (
      SELECT group_no, fresh AS day, 1 AS deep, 0 AS doubtful FROM told WHERE fresh < until
      UNION ALL SELECT group_no, until, -1, 0 FROM told WHERE fresh < until
      UNION ALL SELECT group_no, first, 0, 1 FROM told WHERE NOT is_verified
      UNION ALL SELECT group_no, until, 0, -1 FROM told WHERE NOT is_verified
    ),
    depths AS (
      SELECT group_no, sum(sum(deep)) OVER w AS deep, sum(sum(doubtful)) OVER w AS doubtful
      FROM steps GROUP BY group_no, day WINDOW w AS (PARTITION BY group_no ORDER BY day)
    )
    SELECT DISTINCT group_no FROM depths WHERE {beyond}
    """


def _listed(names: Iterable[str]) -> str:
    """Names as SQL strings in a list, which may be empty."""
    return ", ".join(quoted(name) for name in names) or "''"
