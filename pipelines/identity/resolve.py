"""The resolution whole: evidence → screen → holders, stays → link → settle → name → publish.

The result is a function of the sightings, the bundles, the decisions and the rules, as sets: a
previous result only gives person numbers, tells what moved, and saves work (``scope``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from lake.draft import Draft
from lake.engines.duckdb import Session
from pipelines.identity.assign import assign_bundles
from pipelines.identity.decisions import in_force
from pipelines.identity.evidence import gather, working
from pipelines.identity.health import publish_health, wrong_links_per_person
from pipelines.identity.holders import weigh
from pipelines.identity.labels import Label, here, on
from pipelines.identity.link import link
from pipelines.identity.moves import publish_moves, remember
from pipelines.identity.name import name
from pipelines.identity.publish import publish_state
from pipelines.identity.raw_components import label_components
from pipelines.identity.scope import Scope, everything, find_scope
from pipelines.identity.screen import screen
from pipelines.identity.settle import settle_links
from pipelines.identity.stays import divide
from pipelines.identity.verify import verify, verify_published
from schemas.identity_rules import IdentityRules

ALGORITHM = 1
"""Counted up whenever the same evidence would give something else: no part may stand on the old."""

_COUNTS = """
SELECT count(DISTINCT identifier_key) AS count_identifiers,
  count(*) FILTER (WHERE kind = 'blocked') AS count_blocked,
  count(*) FILTER (WHERE kind = 'hub') AS count_hubs,
  count(DISTINCT identifier_key) FILTER (WHERE kind = 'shared') AS count_shared,
  count(DISTINCT identifier_key) FILTER (WHERE kind = 'handover') AS count_handed_over,
  (SELECT count(*) FROM links) AS count_links,
  (SELECT count(*) FROM links WHERE status = 'refused') AS count_refused,
  (SELECT count(*) FROM persons) AS count_persons,
  (SELECT coalesce(max(count_identifiers), 0) FROM persons) AS largest_person,
  (SELECT count(*) FROM work_moved) AS count_moves,
  (SELECT round(any_value(wrong_links_per_person), 4) FROM identity_runs
    WHERE published_for = {day}) AS wrong_links_per_person
FROM tenures
"""


@dataclass(frozen=True, slots=True)
class IdentitySummary:
    """What one resolution gave, in counts; the last four are distinct persons
    that came (created, split) or went (merged, vanished)."""

    count_identifiers: int
    count_blocked: int
    count_hubs: int
    count_shared: int
    count_handed_over: int
    count_links: int
    count_refused: int
    count_persons: int
    largest_person: int
    """Identifiers of the person who has most."""
    count_moves: int
    wrong_links_per_person: float
    """Links refused, and holders too many, a person: where components would grow together."""
    created: int
    merged: int
    split: int
    vanished: int


def resolve(draft: Draft, rules: IdentityRules) -> IdentitySummary:
    """Work out who is who from all sightings of the draft, and write every table of identity.

    ConfigError where an identifier type has no rules; QualityError where the result does not
    prove itself, so that nothing is published.
    """
    session, cluster = draft.session, draft.cluster
    with working(session):
        in_force(session)
        scope = find_scope(draft, rules, fingerprint(rules))
        gather(session, rules, scope.bundles)
        if scope.is_whole:
            everything(session)
            screen(session, rules)
        remember(draft, is_whole=scope.is_whole)
        _unite(session, rules, here if cluster is None else on(cluster, draft.scratch))
        assign_bundles(session, rules, "" if scope.is_whole else "bundle_persons")
        verify(session, rules)
        publish_state(draft, is_whole=scope.is_whole)
        verify_published(session)
        publish_moves(draft, is_whole=scope.is_whole)
        _publish_run(draft, rules, scope)
        publish_health(draft)
        return _summary(draft)


def unite(session: Session, rules: IdentityRules) -> None:
    """Make the ``work_…`` tables from the gathered evidence up to the persons; writes nothing."""
    everything(session)
    screen(session, rules)
    _unite(session, rules)


def fingerprint(rules: IdentityRules) -> str:
    """What the rules and the way they are followed are known by, however they are written."""
    text = msgspec.json.encode([ALGORITHM, rules], order="deterministic")
    return hashlib.sha256(text).hexdigest()[:16]


def decide_links(session: Session, rules: IdentityRules, label: Label = here) -> None:
    """Everything between the screen and the names: who held what when, and which links hold."""
    session.execute(
        "CREATE OR REPLACE TEMP TABLE work_usable AS SELECT * FROM work_members "
        "WHERE identifier_key NOT IN (SELECT identifier_key FROM work_screened)"
    )
    weigh(session, rules)
    divide(session)
    link(session, rules)
    settle_links(session, rules, label)


def _unite(session: Session, rules: IdentityRules, label: Label = here) -> None:
    decide_links(session, rules, label)
    label_components(session, label)
    name(session, rules)


def _publish_run(draft: Draft, rules: IdentityRules, scope: Scope) -> None:
    day = f"DATE '{draft.business_date.isoformat()}'"
    plan = "whole" if scope.is_whole else "delta"
    draft.replace_dates(
        "identity_runs",
        [draft.business_date],
        f"""
        SELECT {day} AS published_for, '{plan}' AS plan, '{fingerprint(rules)}' AS rules,
          (SELECT count(DISTINCT component) FROM work_raw_components) AS count_components_redone,
          count(*) AS count_components, coalesce(max(size), 0) AS largest_component,
          {wrong_links_per_person(draft.session)} AS wrong_links_per_person
        FROM (SELECT count(*) AS size FROM raw_components GROUP BY component)
        """,
    )


def _summary(draft: Draft) -> IdentitySummary:
    day = f"DATE '{draft.business_date.isoformat()}'"
    (counts,) = draft.session.table(_COUNTS.format(day=day)).to_pylist()
    changes = draft.session.rows(
        "SELECT kind, count(DISTINCT CASE WHEN kind = 'merged' THEN other_one_id ELSE one_id END) "
        f"FROM identity_changes WHERE published_for = {day} GROUP BY kind"
    )
    kinds = dict.fromkeys(("created", "merged", "split", "vanished"), 0)
    kinds |= {str(kind): int(str(count)) for kind, count in changes}
    return IdentitySummary(**counts, **kinds)
