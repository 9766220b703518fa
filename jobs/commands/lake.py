"""``guiyi table`` and ``guiyi release``: look at what is published."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from jobs import show
from jobs.dates import as_of
from jobs.show import DataOption, Format, FormatOption
from lake import locks, retention
from lake.store import open_lake
from pipelines.tags import show_sparse_tags
from schemas import catalog

tables = typer.Typer(help="The tables of the lake.", no_args_is_help=True)
releases = typer.Typer(help="The publications of the lake.", no_args_is_help=True)

AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Business date or number of a release; the newest.")
]


@tables.command("list")
def table_list(data: DataOption = None, form: FormatOption = Format.TEXT) -> None:
    """Every table with its grain, key and, where there is a release, its rows."""
    counts: dict[str, int] = {}
    for newest in open_lake(data).releases()[-1:]:
        counts = {n: sum(f.rows for f in newest.files(n)) for n in newest.versions}
    found = [
        {"table": t.name, "rows": counts.get(t.name), "grain": t.grain, "key": ", ".join(t.key)}
        for t in catalog.TABLES.values()
    ]
    show.rows("tables", found, form)


@tables.command("show")
def table_show(
    name: str,
    limit: Annotated[int, typer.Option(min=0, help="Rows to show.")] = 10,
    as_of_text: AsOf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Columns of a table with their meaning, and its first rows."""

    from pipelines.erasure import veil

    table = catalog.table(name)
    with veil.reader(open_lake(data), as_of(as_of_text)) as session:
        first = session.table(f'SELECT * FROM "{name}" ORDER BY ALL LIMIT {int(limit)}').to_pylist()
    if form is Format.TEXT:
        columns = [
            {
                "column": f.name,
                "type": str(f.type),
                "null": f.nullable,
                "meaning": (f.metadata or {}).get(b"comment", b"").decode(),
            }
            for f in table.schema
        ]
        show.rows("columns", columns, form)
    show.rows("rows", first, form)


@tables.command("sql")
def table_sql(
    query: str,
    as_of_text: AsOf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Answer a SQL query over the tables of a release (nothing can be changed by it)."""

    from pipelines.erasure import veil

    lake = open_lake(data)
    with veil.reader(lake, as_of(as_of_text)) as session:
        show_sparse_tags(session)
        session.only_select(query, [lake.tables])
        show.rows("rows", session.table(query).to_pylist(), form)


@releases.command("list")
def release_list(data: DataOption = None, form: FormatOption = Format.TEXT) -> None:
    """Every publication, oldest first."""
    found = [
        {
            "release": r.release_no,
            "business_date": r.business_date,
            "cut": r.cut,
            "published_at": r.published_at.replace(microsecond=0),
            "run_id": r.run_id,
            "tables": len(r.versions),
        }
        for r in open_lake(data).releases()
    ]
    show.rows("releases", found, form)


@releases.command("show")
def release_show(
    which: Annotated[str, typer.Argument(help="Business date or number.")],
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Versions and rows of every table in one publication."""
    chosen: date | int | None = as_of(which)
    release = open_lake(data).release(chosen)
    found = []
    for name, version in sorted(release.versions.items()):
        files = release.files(name)
        row = {"table": name, "version": version, "files": len(files)}
        found.append(row | {"rows": sum(file.rows for file in files)})
    show.rows("tables", found, form)


@releases.command("vacuum")
def release_vacuum(
    keep: Annotated[int, typer.Option(min=1, help="Newest releases whose files stay.")],
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Throw away data files that none of the newest releases names."""
    lake = open_lake(data)
    with locks.exclusive(lake.root / "locks", "publish"):
        known = lake.releases()
        removed = retention.vacuum(lake.tables, known, keep)
        removed["bitmaps"] = retention.vacuum_bitmaps(lake.snapshots, known, keep)
    rows = [{"table": name, "files removed": count} for name, count in removed.items()]
    show.rows("tables", rows, form)
