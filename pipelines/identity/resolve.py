"""The resolution whole: evidence → screen → link → name → publish.

The result is a function of the sightings, the bundles and the rules, as sets: a previous result
only gives person numbers and tells what moved.
"""

from __future__ import annotations

from dataclasses import dataclass

from lake.draft import Draft
from lake.engines.duckdb import Session
from pipelines.identity.evidence import gather, working
from pipelines.identity.link import link
from pipelines.identity.moves import publish_moves, remember
from pipelines.identity.name import name
from pipelines.identity.publish import assign_bundles, publish_state
from pipelines.identity.screen import screen
from schemas.identity_rules import IdentityRules

_COUNTS = """
SELECT (SELECT count(*) FROM tenures), (SELECT count(*) FROM tenures WHERE kind = 'blocked'),
  (SELECT count(*) FROM tenures WHERE kind = 'hub'), (SELECT count(*) FROM links),
  (SELECT count(*) FROM persons), (SELECT coalesce(max(count_identifiers), 0) FROM persons),
  (SELECT count(*) FROM work_moved)
"""


@dataclass(frozen=True, slots=True)
class IdentitySummary:
    """What one resolution gave, in counts; the last four are distinct persons
    that came (created, split) or went (merged, vanished)."""

    count_identifiers: int
    count_blocked: int
    count_hubs: int
    count_links: int
    count_persons: int
    largest_person: int
    """Identifiers of the person who has most."""
    count_moves: int
    created: int
    merged: int
    split: int
    vanished: int


def resolve(draft: Draft, rules: IdentityRules) -> IdentitySummary:
    """Work out who is who from all sightings of the draft, and write every table of identity.

    ConfigError where an identifier type has no rules.
    """
    session = draft.session
    with working(session):
        remember(draft)
        gather(session, rules)
        unite(session, rules)
        assign_bundles(session)
        publish_state(draft)
        publish_moves(draft)
        return _summary(draft)


def unite(session: Session, rules: IdentityRules) -> None:
    """Make the ``work_…`` tables from the gathered evidence up to the persons; writes nothing."""
    screen(session, rules)
    link(session)
    name(session)


def _summary(draft: Draft) -> IdentitySummary:
    (counts,) = draft.session.rows(_COUNTS)
    day = draft.business_date.isoformat()
    changes = draft.session.rows(
        "SELECT kind, count(DISTINCT CASE WHEN kind = 'merged' THEN other_one_id ELSE one_id END) "
        f"FROM identity_changes WHERE published_for = DATE '{day}' GROUP BY kind"
    )
    kinds = {str(kind): int(str(count)) for kind, count in changes}
    return IdentitySummary(
        *(int(str(count)) for count in counts),
        *(kinds.get(kind, 0) for kind in ("created", "merged", "split", "vanished")),
    )
