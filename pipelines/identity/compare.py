"""What other rules would change: the evidence of a release resolved with them, beside what is out.

Everything is worked out in ``work_…`` tables; neither the lake nor the views of it change. That
one_ids are the same on both sides is not needed: a published stay is looked for among the stays
that the rules would give its identifier, where the two overlap most.
"""

from __future__ import annotations

from typing import Any

from lake.engines.duckdb import Session
from pipelines.identity.decisions import in_force
from pipelines.identity.differences import merges, splits
from pipelines.identity.evidence import gather, working
from pipelines.identity.health import warning, wrong_links_per_person
from pipelines.identity.publish import LINKS, TENURES
from pipelines.identity.resolve import fingerprint, unite
from pipelines.identity.words import count
from schemas.identity_rules import IdentityRules

Found = dict[str, Any]

_TRIED = f"""
CREATE OR REPLACE TEMP TABLE work_tried_tenures AS {TENURES};
CREATE OR REPLACE TEMP TABLE work_tried_links AS {LINKS};
CREATE OR REPLACE TEMP TABLE work_tried_persons AS
SELECT one_id, count(DISTINCT identifier_key) AS count_identifiers
FROM work_tried_tenures WHERE one_id IS NOT NULL GROUP BY one_id
"""

# Overlaps are counted within the dates of which there is evidence.
_SAME = """
CREATE OR REPLACE TEMP TABLE work_same AS
WITH dates AS (SELECT min(first_on) AS first_on, max(last_on) + 1 AS ended_on FROM work_bundles)
SELECT p.identifier_key, p.type, p.tenure, p.one_id AS one_id_before, p.kind AS kind_before,
  t.tenure AS tenure_after, t.one_id AS one_id_after, t.kind AS kind_after
FROM tenures AS p
JOIN work_tried_tenures AS t ON t.identifier_key = p.identifier_key
CROSS JOIN dates AS d
QUALIFY row_number() OVER (
  PARTITION BY p.identifier_key, p.tenure
  -- NULL, an open end, is passed over.
  ORDER BY least(p.valid_to, t.valid_to, d.ended_on)
    - greatest(p.valid_from, t.valid_from, d.first_on) DESC, t.tenure
) = 1
"""

_FLOWS = """
CREATE OR REPLACE TEMP TABLE work_splits AS
SELECT one_id_before, count(DISTINCT one_id_after) AS count_persons, count(*) AS count_stays
FROM work_same WHERE one_id_before IS NOT NULL GROUP BY one_id_before;
CREATE OR REPLACE TEMP TABLE work_merges AS
SELECT one_id_after, count(DISTINCT one_id_before) AS count_persons, count(*) AS count_stays
FROM work_same WHERE one_id_after IS NOT NULL GROUP BY one_id_after
"""

_COUNTS = """
SELECT
  (SELECT count(*) FROM persons), (SELECT count(*) FROM work_tried_persons),
  (SELECT count(*) FROM work_splits WHERE count_persons > 1),
  (SELECT count(*) FROM work_merges WHERE count_persons > 1),
  (SELECT count(*) FROM work_splits WHERE count_persons = 0),
  (SELECT count(*) FROM work_tried_persons WHERE one_id NOT IN (
    SELECT one_id_after FROM work_merges WHERE count_persons > 0)),
  (SELECT coalesce(max(count_identifiers), 0) FROM persons),
  (SELECT coalesce(max(count_identifiers), 0) FROM work_tried_persons),
  (SELECT coalesce(max(size), 0) FROM (
    SELECT count(*) AS size FROM raw_components GROUP BY component)),
  (SELECT coalesce(max(size), 0) FROM (
    SELECT count(*) AS size FROM work_raw_components GROUP BY component)),
  (SELECT count(*) FROM links), (SELECT count(*) FROM work_tried_links),
  (SELECT count(*) FROM links WHERE status = 'refused'),
  (SELECT count(*) FROM work_tried_links WHERE status = 'refused')
"""

_KIND = """
SELECT identifier_key, any_value(type) AS type, CASE max(CASE kind
    WHEN 'blocked' THEN 6 WHEN 'hub' THEN 5 WHEN 'shared' THEN 4 WHEN 'handover' THEN 3
    WHEN 'sole' THEN 2 ELSE 1 END)
  WHEN 6 THEN 'blocked' WHEN 5 THEN 'hub' WHEN 4 THEN 'shared' WHEN 3 THEN 'handover'
  WHEN 2 THEN 'sole' ELSE 'alone' END AS kind
FROM {table} GROUP BY identifier_key
"""

_KINDS = f"""
SELECT b.type, b.kind AS before, a.kind AS after, count(*) AS count_identifiers
FROM ({_KIND.format(table="tenures")}) AS b
JOIN ({_KIND.format(table="work_tried_tenures")}) AS a ON a.identifier_key = b.identifier_key
WHERE a.kind <> b.kind
GROUP BY b.type, b.kind, a.kind ORDER BY count_identifiers DESC, b.type, b.kind, a.kind
"""

_REFUSALS = """
SELECT coalesce(b.rule, a.rule) AS rule, coalesce(b.n, 0) AS before, coalesce(a.n, 0) AS after
FROM (SELECT rule, count(*) AS n FROM links WHERE status = 'refused' GROUP BY rule) AS b
FULL JOIN (
  SELECT rule, count(*) AS n FROM work_tried_links WHERE status = 'refused' GROUP BY rule
) AS a ON a.rule = b.rule
ORDER BY abs(coalesce(a.n, 0) - coalesce(b.n, 0)) DESC, rule
"""

_DIFFERENT = """
SELECT count(*) FROM (
  (SELECT {columns} FROM {before} EXCEPT SELECT {columns} FROM {after})
  UNION ALL
  (SELECT {columns} FROM {after} EXCEPT SELECT {columns} FROM {before})
)
"""
_STAY = "identifier_key, tenure, kind, valid_from, valid_to"
_LINK = "identifier_key_a, tenure_a, identifier_key_b, tenure_b, status, rule"


def compare(
    session: Session, rules: IdentityRules, *, sample: int = 10, is_clear: bool = False
) -> Found:
    """What ``rules`` would change of the identity that the session shows.

    ``is_change``: whether anything; ``is_in_force``: whether they are the rules it was made with.
    ``persons`` (``before``, ``after``, ``split``, ``merged``, ``created``, ``vanished``):
    published persons whose identifiers several persons would hold, persons who would hold what
    several hold, those who would hold only what nobody holds, and published persons of whom
    nothing would be left. ``largest_person``, ``largest_component`` (identifiers that bundles
    join, hubs left out), ``links``, ``refused``, ``wrong_links_per_person``: each before and
    after. ``stays_changed``, ``links_changed``: rows that only one side has. ``kinds``:
    identifiers that would be of another kind (sole, handover, shared, hub, …), by type.
    ``refusals``: refused links by rule. ``splits``, ``merges``: up to ``sample`` of each with
    identifiers (masked unless ``is_clear``) and the rule at fault. ``not_compared``: what of the
    rules the lake cannot show. ConfigError for an identifier type of the lake without rules.
    """
    with working(session):
        in_force(session)
        gather(session, rules)
        unite(session, rules)
        for statement in (_TRIED, _SAME, _FLOWS):
            session.execute(statement)
        found = _counted(session, rules)
        found |= {
            "splits": splits(session, sample, is_clear=is_clear),
            "merges": merges(session, sample, is_clear=is_clear),
        }
    return found


def _counted(session: Session, rules: IdentityRules) -> Found:
    (counts,) = session.rows(_COUNTS)
    before, after, split, merged, vanished, created, *pairs = (int(str(n)) for n in counts)
    names = ("largest_person", "largest_component", "links", "refused")
    sides = zip(names, pairs[::2], pairs[1::2], strict=True)
    stays = _different(session, _STAY, "tenures", "work_tried_tenures")
    links = _different(session, _LINK, "links", "work_tried_links")
    rates = (wrong_links_per_person(session, of) for of in ("", "work_tried_"))
    return {
        "is_change": bool(split + merged + vanished + created + stays + links),
        "is_in_force": _last_rules(session) == fingerprint(rules),
        "persons": {
            "before": before, "after": after, "split": split, "merged": merged,
            "created": created, "vanished": vanished,
        },
        **{name: {"before": old, "after": new} for name, old, new in sides},
        "wrong_links_per_person": dict(zip(("before", "after"), rates, strict=True)),
        "stays_changed": stays,
        "links_changed": links,
        "kinds": session.table(_KINDS).to_pylist(),
        "refusals": session.table(_REFUSALS).to_pylist(),
        "not_compared": [f"normaliser of {one.type}" for one in rules.types if one.normaliser],
    }  # fmt: skip


def _different(session: Session, columns: str, before: str, after: str) -> int:
    ((rows,),) = session.rows(_DIFFERENT.format(columns=columns, before=before, after=after))
    return int(str(rows))


def _last_rules(session: Session) -> object:
    last = session.rows("SELECT rules FROM identity_runs ORDER BY published_for DESC LIMIT 1")
    return last[0][0] if last else None


def render_comparison(found: Found, rules: IdentityRules) -> str:
    """The answer of ``compare`` as text."""
    if not found["is_change"]:
        lines = ["changes nothing: persons, stays and links stay as they are"]
    else:
        lines = [*_table(found), *_listed(found)]
    if said := warning(found["wrong_links_per_person"]["after"], rules):
        lines += ["", said]
    if found["not_compared"]:
        what = ", ".join(found["not_compared"])
        lines += ["", f"not compared: {what}; the lake holds values as they were normalised then"]
    return "\n".join(lines)


def _table(found: Found) -> list[str]:
    rate, persons = found["wrong_links_per_person"], found["persons"]
    rows = [("", "now", "then"), ("persons", persons["before"], persons["after"])]
    for name in ("largest_person", "largest_component", "links", "refused"):
        rows.append((name.replace("_", " "), found[name]["before"], found[name]["after"]))
    shown = [(name, *(f"{n:,}" if isinstance(n, int) else n for n in n_s)) for name, *n_s in rows]
    shown.append(("wrong links a person", f"{rate['before']:.4f}", f"{rate['after']:.4f}"))
    lines = [f"{name:22}{before:>12}{after:>12}" for name, before, after in shown]
    told = ", ".join(f"{persons[name]:,} {name}" for name in persons if name not in rate)
    return [*lines, f"persons: {told}"]


def _listed(found: Found) -> list[str]:
    lines = []
    if found["kinds"]:
        lines += ["", "identifiers of another kind"]
        lines += [
            f"  {row['count_identifiers']:>10,}  {row['type']}: {row['before']} → {row['after']}"
            for row in found["kinds"]
        ]
    changed = [row for row in found["refusals"] if row["before"] != row["after"]]
    if changed:
        lines += ["", "refused links by rule"]
        lines += [f"  {row['before']:>10,} → {row['after']:,}  {row['rule']}" for row in changed]
    for name, verb, whom in (("splits", "split", "into"), ("merges", "merged", "of")):
        if found[name]:
            of = found["persons"][verb]
            lines += ["", f"{verb}: {len(found[name])} of {count(of, 'person')}"]
            lines += [line for one in found[name] for line in _one(one, whom)]
    return lines


def _one(changed: Found, whom: str) -> list[str]:
    lines = [f"  {changed['one_id']} {whom} {changed['count_persons']}"]
    for part in changed["persons"]:
        more = part["count_identifiers"] - len(part["identifiers"])
        names = [f"{one['type']} {one['value']}" for one in part["identifiers"]]
        names += [f"{more:,} more"] if more else []
        lines.append(f"    {part['one_id'] or 'nobody'}: {', '.join(names)}")
    return [*lines, *(f"    because {why}" for why in changed["because"])]
