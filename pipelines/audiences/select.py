"""Selects the members of audiences from the tags of a date."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from lake.draft import Draft
from lake.engines.duckdb import quoted
from pipelines.audiences.compile import members, version, whole_query
from pipelines.audiences.lists import known_lists
from pipelines.audiences.resolve import Book, in_order, resolved
from pipelines.audiences.selector import day_of
from schemas.audiences import Audience
from schemas.errors import ConfigError
from schemas.tag_definitions import Tag

_WORK = "work_audience_members"


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
    draft: Draft, audiences: Sequence[Audience], tags: Sequence[Tag], *, zone: str | None = None
) -> list[AudienceSummary]:
    """Write ``audience_members`` of the draft's date for all audiences; a summary of each.

    ConfigError when two have one name, or one cannot be computed. ``zone`` is the programme's,
    unless given.
    """
    _require_distinct(audiences)
    named = {one.name: one for one in audiences}
    book = Book({tag.name: tag for tag in tags}, named, known_lists(draft.session))
    order = [resolved(named[name], book) for name in in_order(sorted(named), book)]
    day = day_of(draft.session, draft.business_date, zone)
    _make_work(draft)
    # Each into the table of work first: who stands on it reads its members there.
    names = {
        name: f"(SELECT person_no FROM {_WORK} WHERE audience = {quoted(name)})" for name in named
    }
    for one in order:
        keys = f"{quoted(one.audience.name)}, {quoted(version(one.audience, audiences))}"
        draft.session.execute(
            f"INSERT INTO {_WORK} SELECT DATE '{draft.business_date}', {keys}, one_id, person_no "
            f"FROM ({members(one, day, names)})"
        )
    if order:
        draft.replace_dates("audience_members", [draft.business_date], f"SELECT * FROM {_WORK}")
    counted = draft.session.rows(f"SELECT audience, count(*) FROM {_WORK} GROUP BY audience")
    draft.session.execute(f"DROP TABLE {_WORK}")
    sizes = {str(name): int(str(count)) for name, count in counted}
    by_name = {one.audience.name: one for one in order}
    return [
        AudienceSummary(
            one.name, one.label, version(one, audiences), draft.business_date,
            sizes.get(one.name, 0),
            whole_query([by_name[name] for name in in_order([one.name], book)], day),
        )
        for one in audiences
    ]


def _make_work(draft: Draft) -> None:
    draft.session.execute(
        f"CREATE OR REPLACE TEMP TABLE {_WORK} AS SELECT * FROM audience_members WHERE false"
    )


def _require_distinct(audiences: Sequence[Audience]) -> None:
    names = [audience.name for audience in audiences]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(
                f"two audiences are called {name!r}", expected="one audience of a name",
                got=f"{names.count(name)}", where=f"audience {name}", todo="rename one of the two",
            )
