"""Partials: the daily measures per bundle, kept so that a day or a merge rereads no history."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

import pyarrow as pa
from sqlglot import exp

from lake.draft import Draft
from lake.engines import duckdb as embedded
from pipelines.tags.measures import Measure, daily, measures_of
from schemas.step import Step, everything, same_day
from schemas.tag_definitions import Measured
from schemas.tags import PARTIAL_MEASURES

DATED = ("events", "order_lines")
PERSON_PARTIALS = "person_partials"


def stale_dates(draft: Draft, definitions: Iterable[Measured]) -> list[date]:
    """Business dates whose partials this draft must compute again.

    Those that got rows; all of them when the catalogue of products changed, or a measure is not
    among those that the partials were last made with (new, or gone and back).
    """
    sources = ("events", "order_lines")
    everything = sorted(
        {date.fromisoformat(file.d) for name in sources for file in draft.files(name)}
    )
    released = draft.parent.files("products") if draft.parent else []
    missing = {measure.name for measure in measures_of(definitions)} - _measures_held(draft)
    if draft.files("products") != released or missing:
        return everything
    return sorted({day for name in sources for day in draft.changed_dates(name)})


def _measures_held(draft: Draft) -> set[str]:
    rows = draft.session.rows(f"SELECT measure FROM {PARTIAL_MEASURES.name}")
    return {str(name) for (name,) in rows}


def _keep_measures(draft: Draft, names: set[str]) -> None:
    """What a refresh leaves out is forgotten, so that its return makes all dates stale."""
    if names == _measures_held(draft):
        return
    rows = pa.table([pa.array(sorted(names), pa.string())], schema=PARTIAL_MEASURES.schema)
    draft.session.register("fresh_measures", rows)
    draft.replace(PARTIAL_MEASURES.name, "SELECT * FROM fresh_measures ORDER BY measure")
    draft.session.execute("DROP VIEW fresh_measures")


def refresh_partials(draft: Draft, definitions: Iterable[Measured]) -> int:
    """Compute the partials of the stale dates anew; returns their rows.

    ``definitions`` are the tags and every model's features: all that measure anything. Their
    measures become ``partial_measures``.
    """
    definitions = list(definitions)
    measures = measures_of(definitions)
    chosen = stale_dates(draft, definitions)
    _keep_measures(draft, {measure.name for measure in measures})
    if not chosen:
        return 0
    for source in DATED:
        draft.show_dates(source, chosen, f"{source}_of_dates")
    # Into a table first: many measures at once into many files cost twice the time.
    step = partials_step(measures)
    tree = embedded.placed(step, {name: f"{name}_of_dates" for name in DATED})
    draft.session.execute(f"CREATE OR REPLACE TEMP TABLE fresh AS {tree.sql(dialect='duckdb')}")
    rows = draft.replace_dates("partials", chosen, "SELECT * FROM fresh")
    draft.session.execute("DROP TABLE fresh")
    for source in DATED:
        draft.session.execute(f"DROP VIEW {source}_of_dates")
    return rows


def partials_step(measures: Sequence[Measure]) -> Step:
    """The partials of every measure from the rows of the dates that changed."""
    parts = [daily(measure, measure.source) for measure in measures]
    return Step(
        name="partials",
        kind="sql",
        reads={**dict.fromkeys(DATED, same_day()), "products": everything()},
        writes=("partials",),
        sql=exp.union(*parts, distinct=False, copy=False) if len(parts) > 1 else parts[0],
        says="mergeable daily measures per bundle",
    )


def person_partials_sql(day: date) -> str:
    """A query of the partials up to ``day``, each with its person.

    A row goes to whom its bundle belonged on the row's own business date.
    """
    return (
        'SELECT b.one_id, x.business_date, x.measure, x.count, x."sum", x.first_at, x.last_at, '
        'x.last_value, x."values" FROM partials AS x JOIN bundle_persons AS b '
        "ON b.bundle_id = x.bundle_id "
        "AND b.valid_from <= x.business_date AND x.business_date < b.valid_to "
        f"WHERE x.business_date <= CAST('{day.isoformat()}' AS DATE)"
    )


def keep_person_partials(draft: Draft) -> str:
    """Make ``person_partials_sql`` of the draft's date a temporary table; returns its name.

    For readers who come more than once; end with ``drop_person_partials``.
    """
    query = person_partials_sql(draft.business_date)
    draft.session.execute(f"CREATE OR REPLACE TEMP TABLE {PERSON_PARTIALS} AS {query}")
    return PERSON_PARTIALS


def drop_person_partials(draft: Draft) -> None:
    """Remove what ``keep_person_partials`` made."""
    draft.session.execute(f"DROP TABLE IF EXISTS {PERSON_PARTIALS}")
