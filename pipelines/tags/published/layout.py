"""Where the values of a tag lie: in a column of ``tag_values``, or in rows of the sparse table.

A column costs a Parquet writer the same whether anybody has a value, a row only where somebody
does. ``python -m benchmarks.tag_layout`` finds the border between the two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from lake.draft import Draft
from lake.engines.duckdb import Session, quoted
from pipelines.tags.vocabulary import tag_values_table
from schemas.tag_definitions import Tag, Type
from schemas.tags import TAG_COVERAGE, TAG_VALUES, TAG_VALUES_SPARSE

MANY_TAGS = 200
"""With no more tags than this all are columns. A thousand nearly empty columns of 50,000 persons
cost a writer 4.6 s of CPU and 0.9 GB, as rows 1.8 s and 0.25 GB; of a fifth of them the second
that could be saved is not worth a second table."""
SPARSE_SHARE = 0.03
"""A tag known of fewer persons is sparse. At 1,000 tags rows cost 0.46 of the columns' CPU when 1 %
of the persons have each, and 1.9 of it when 5 % have: the border lies between, and five tags are
read alike from both."""
_WIDE = "tag_values_wide"


def sparse_tags(draft: Draft, tags: Sequence[Tag]) -> list[Tag]:
    """The tags whose values go into rows, by the coverage of the last date before the draft's.

    A new tag is a column on its first date.
    """
    if len(tags) <= MANY_TAGS:
        return []
    before = f"business_date < DATE '{draft.business_date}'"
    rows = draft.session.rows(
        f"SELECT tag FROM {TAG_COVERAGE.name} WHERE share_known < {SPARSE_SHARE} AND "
        f"business_date = (SELECT max(business_date) FROM {TAG_COVERAGE.name} WHERE {before})"
    )
    few = {name for (name,) in rows}
    return [tag for tag in tags if tag.name in few]


def put_values(draft: Draft, tags: Sequence[Tag], query: str) -> int:
    """Write the rows of ``query`` (keys of ``tag_values``, a column per tag) where they belong.

    Gives the number of persons. In the draft ``tag_values`` is whole afterwards.
    """
    sparse = sparse_tags(draft, tags)
    names = {tag.name for tag in sparse}
    columns = [tag for tag in tags if tag.name not in names]
    day = draft.business_date
    if sparse:
        # It is asked once per type: the quantiles in it are not to be found each time.
        draft.session.execute(f"CREATE OR REPLACE TEMP TABLE work_tags AS {query}")
        query = "SELECT * FROM work_tags"
    kept = ", ".join(f'"{name}"' for name in [*TAG_VALUES.columns, *(t.name for t in columns)])
    count = draft.replace_dates(
        TAG_VALUES.name, [day], f"SELECT {kept} FROM ({query})", table=tag_values_table(columns)
    )
    if sparse or any(file.d == str(day) for file in draft.files(TAG_VALUES_SPARSE.name)):
        draft.replace_dates(TAG_VALUES_SPARSE.name, [day], sparse_rows(query, sparse))
    show_whole(draft.session, {tag.name: tag.type for tag in sparse})
    return count


def sparse_on(session: Session) -> dict[str, Type]:
    """The tags that lie in rows on some date of the open release, with their types."""
    rows = session.rows(f"SELECT DISTINCT tag, type FROM {TAG_COVERAGE.name} WHERE is_sparse")
    return {str(tag): kind for tag, kind in rows}  # type: ignore[misc]


def show_sparse_tags(session: Session, names: Collection[str] | None = None) -> Session:
    """Let ``tag_values`` of an open release show the tags that lie in rows; gives the session."""
    show_whole(session, sparse_on(session), names)
    return session


def show_whole(
    session: Session, sparse: Mapping[str, Type], names: Collection[str] | None = None
) -> None:
    """Let ``tag_values`` show the sparse tags as columns too; of them only ``names``, if given.

    Costs a join for every query, so a reader who knows what it asks for names that.
    """
    shown = {tag: sparse[tag] for tag in sorted(sparse) if names is None or tag in names}
    held = _columns(session, TAG_VALUES.name)
    if _WIDE in _definition(session, TAG_VALUES.name):
        held = _columns(session, _WIDE)
    elif shown:
        session.execute(f"DROP VIEW IF EXISTS {_WIDE}")
        session.execute(f"ALTER VIEW {TAG_VALUES.name} RENAME TO {_WIDE}")
    else:
        return
    columns = [
        f'coalesce(w."{name}", s."{name}") AS "{name}"' if name in shown else f'w."{name}"'
        for name in held
    ]
    columns += [f's."{name}"' for name in shown if name not in held]
    values = [
        f'any_value("{kind}") FILTER (WHERE tag = {quoted(tag)}) AS "{tag}"'
        for tag, kind in shown.items()
    ]
    sql = f"SELECT {', '.join(columns)} FROM {_WIDE} AS w"
    if shown:
        listed = ", ".join(quoted(tag) for tag in shown)
        sql += (
            f" LEFT JOIN (SELECT business_date, person_no, {', '.join(values)} "
            f"FROM {TAG_VALUES_SPARSE.name} WHERE tag IN ({listed}) GROUP BY ALL) AS s "
            "ON s.business_date = w.business_date AND s.person_no = w.person_no"
        )
    session.execute(f"CREATE OR REPLACE TEMP VIEW {TAG_VALUES.name} AS {sql}")


def sparse_rows(query: str, sparse: Iterable[Tag]) -> str:
    """A query of the rows of ``tag_values_sparse`` that the columns of ``query`` make."""
    by_type: dict[Type, list[str]] = {}
    for tag in sparse:
        by_type.setdefault(tag.type, []).append(f'"{tag.name}"')
    empty = TAG_VALUES_SPARSE.columns
    parts = [f"SELECT {', '.join(f'NULL AS {name}' for name in empty)} WHERE false"]
    parts += [
        f'SELECT business_date, tag, person_no, value AS "{kind}" FROM (UNPIVOT '
        f"(SELECT business_date, person_no, {', '.join(names)} FROM ({query})) "
        f"ON {', '.join(names)} INTO NAME tag VALUE value)"
        for kind, names in sorted(by_type.items())
    ]
    return " UNION ALL BY NAME ".join(parts) + " ORDER BY tag, person_no"


def _columns(session: Session, view: str) -> list[str]:
    return [str(row[0]) for row in session.rows(f"DESCRIBE {view}")]


def _definition(session: Session, view: str) -> str:
    rows = session.rows(f"SELECT sql FROM duckdb_views() WHERE view_name = {quoted(view)}")
    return str(rows[0][0]) if rows else ""
