"""Selects the members of audiences from the tags of a date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from lake.draft import Draft
from lake.engines.duckdb import quoted
from pipelines.audiences.compile import member_query, version
from schemas.audiences import Audience
from schemas.errors import ConfigError
from schemas.tag_definitions import Tag


@dataclass(frozen=True, slots=True)
class AudienceSummary:
    """One audience on one date, with the query that gave its members."""

    audience: str
    label: str
    version: str
    business_date: date
    count_members: int
    sql: str


def select(
    draft: Draft, audiences: Sequence[Audience], tags: Sequence[Tag]
) -> list[AudienceSummary]:
    """Write ``audience_members`` of the draft's date for all audiences; a summary of each.

    ConfigError when two have one name, or a rule tree does not fit the tags.
    """
    _require_distinct(audiences)
    day = draft.business_date
    queries = {a.name: member_query(a, tags, day).sql(dialect="duckdb") for a in audiences}
    parts = [
        f"SELECT CAST('{day.isoformat()}' AS DATE) AS business_date, {quoted(a.name)} AS audience, "
        f"{quoted(version(a))} AS version, one_id, person_no FROM ({queries[a.name]})"
        for a in audiences
    ]
    if parts:
        draft.replace_dates("audience_members", [day], " UNION ALL ".join(parts))
    counted = draft.session.rows(
        "SELECT audience, count(*) FROM audience_members "
        f"WHERE business_date = CAST('{day.isoformat()}' AS DATE) GROUP BY audience"
    )
    sizes = {str(name): int(str(count)) for name, count in counted}
    return [
        AudienceSummary(a.name, a.label, version(a), day, sizes.get(a.name, 0), queries[a.name])
        for a in audiences
    ]


def _require_distinct(audiences: Sequence[Audience]) -> None:
    names = [audience.name for audience in audiences]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two audiences are called {name!r}", expected="one audience of a name",
                got=f"{names.count(name)}", where=f"audience {name}", todo="rename one of the two",
            )
