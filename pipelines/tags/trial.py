"""Tags tried on what is released: computed as a release would, and published nowhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lake.draft import Draft
from lake.engines.duckdb import Session
from lake.releases import Release
from pipelines.tags.cells import all_cells
from pipelines.tags.direct import direct
from pipelines.tags.factory import tag_query
from pipelines.tags.free_queries import require_one_value_each
from pipelines.tags.published import show_whole, sparse_on
from pipelines.tags.published.coded import coded, whole
from pipelines.tags.published.coverage import coverage_row
from pipelines.tags.state import held_cells, number_bundles
from pipelines.tags.vocabulary import below, tag_values_table
from schemas.table import Table
from schemas.tag_definitions import Tag

TRIED = "tried_tags"


def try_tags(session: Session, release: Release, tags: Sequence[Tag], names: Sequence[str]) -> int:
    """Make ``tried_tags``: the tags called ``names`` for every person of a release.

    Columns as in ``tag_values``. What the release remembers of persons is used, all else comes
    from its events; nothing is written to the lake. Returns the persons.
    """
    draft = Draft(release.root, session, release, release.business_date, release.cut)
    known = {tag.name: tag for tag in tags}
    chosen = [known[name] for name in names]
    needed = {tag.name for one in chosen for tag in [*below(one, known), one]}
    made = [tag for tag in tags if tag.name in needed]
    _measure(draft, made)
    for tag in made:
        if tag.sql is not None:
            require_one_value_each(session, tag, release.business_date)
    query = tag_query(made, release.business_date, "tried_measures").sql(dialect="duckdb")
    listed = ", ".join(f'"{name}"' for name in tried_table(chosen).columns)
    session.execute(f"CREATE OR REPLACE TEMP TABLE {TRIED} AS SELECT {listed} FROM ({query})")
    (row,) = session.rows(f"SELECT count(*) FROM {TRIED}")
    return int(str(row[0]))


def tried_table(tags: Sequence[Tag]) -> Table:
    """The columns of ``tried_tags``."""
    return tag_values_table(tags)


def _measure(draft: Draft, tags: Sequence[Tag]) -> None:
    cells = all_cells(tags)
    held = held_cells(draft, cells)
    fresh = [cell for cell in cells if cell not in held]
    number_bundles(draft)
    query = direct(fresh, draft.business_date)
    draft.session.execute(f"CREATE OR REPLACE TEMP TABLE tried_direct AS {query}")
    sides = [("s", held), ("d", fresh)]
    listed = "".join(f', {side}."{cell.name}"' for side, mine in sides for cell in mine)
    draft.session.execute(
        f"CREATE OR REPLACE TEMP TABLE tried_measures AS SELECT p.person_no{listed} "
        "FROM persons AS p LEFT JOIN person_measures AS s ON s.person_no = p.person_no "
        "LEFT JOIN tried_direct AS d ON d.person_no = p.person_no"
    )


def spread(session: Session, tag: Tag, relation: str = TRIED) -> dict[str, Any]:
    """Coverage and distribution of a tag in a relation of one date, as ``tag_coverage`` has them.
    """
    (row,) = session.rows(
        f"SELECT count(*), coalesce(max(person_no), -1) + 1, max(business_date) FROM {relation}"
    )
    count, width, day = row
    table = session.table(f'SELECT person_no, "{tag.name}" AS value FROM {relation}')
    numbers = whole(table["person_no"]).to_numpy()
    column = coded(tag.type, whole(table["value"]), numbers, int(str(width)))
    return coverage_row(tag.name, column, int(str(count)), day)  # type: ignore[arg-type]


def beside_published(session: Session, tag: Tag) -> int | None:
    """Of how many persons the value tried is not the one published; None where none was."""
    show_whole(session, sparse_on(session), [tag.name])
    columns = {str(row[0]): str(row[1]) for row in session.rows("DESCRIBE tag_values")}
    tried = {str(row[0]): str(row[1]) for row in session.rows(f"DESCRIBE {TRIED}")}
    if columns.get(tag.name) != tried[tag.name]:
        return None
    (row,) = session.rows(
        f'SELECT count(*) FILTER (WHERE t."{tag.name}" IS DISTINCT FROM v."{tag.name}") '
        f"FROM {TRIED} AS t JOIN tag_values AS v USING (business_date, one_id)"
    )
    return int(str(row[0]))


def sample(session: Session, tag: Tag, count: int) -> list[dict[str, Any]]:
    """The first persons, by number, of whom the tag is known, with its value."""
    found = session.table(
        f'SELECT person_no, one_id, "{tag.name}" AS value FROM {TRIED} '
        f'WHERE "{tag.name}" IS NOT NULL ORDER BY person_no LIMIT {int(count)}'
    )
    rows: list[dict[str, Any]] = found.to_pylist()
    return rows
