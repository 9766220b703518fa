"""``guiyi quality`` and ``guiyi doctor``: is the data well, is the machine well."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs import checkup, show
from jobs.commands.jobs import Conf
from jobs.commands.lake import AsOf
from jobs.dates import as_of
from jobs.show import DataOption, Format, FormatOption
from lake import quality as expectations
from lake.store import open_lake
from schemas.errors import GuiyiError, QualityError


def quality(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables; all when absent.")] = None,
    as_of_text: AsOf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Hold published tables to their contracts in Great Expectations and write its Data Docs."""
    lake = open_lake(data)
    release = lake.release(as_of(as_of_text))
    with lake.session() as session:
        out = lake.root / "quality"
        found = expectations.validate(release, release.open(session), tables, out)
    rows = [
        {
            "table": one.table,
            "rows": one.count_rows,
            "well": one.success,
            "failed": ", ".join(one.failed),
        }
        for one in found.tables
    ]
    show.rows("tables", rows, form)
    if not all(one.success for one in found.tables):
        raise QualityError(
            "published tables break their contracts",
            got=", ".join(one.table for one in found.tables if not one.success),
            where=str(found.docs),
            todo="open the page named and look at the failed expectations",
        )


def doctor(conf: Conf = None, data: DataOption = None, form: FormatOption = Format.TEXT) -> None:
    """What is here, what is missing, and how to mend it."""
    found = checkup.examine(data, conf)
    show.rows("checks", [check.row() for check in found], form)
    if any(check.needed and not check.well for check in found):
        raise GuiyiError("something that the core needs is missing", todo="see the last column")
