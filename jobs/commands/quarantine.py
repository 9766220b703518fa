"""``guiyi quarantine``: refused rows, why, and how they come back after a fix."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs import settings, show
from jobs.dates import instant, not_before_newest
from jobs.show import DataOption, Format, FormatOption
from lake.engines.duckdb import quoted
from lake.landed.carrying import place_of_line
from lake.store import open_lake
from schemas.errors import NothingToDo

app = typer.Typer(help="Rows that could not be taken.", no_args_is_help=True)

Source = Annotated[str | None, typer.Option("--source", help="Only this source.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Only this reason.")]

OPEN = "FROM quarantine ANTI JOIN replays USING (file, line)"


@app.command("list")
def quarantine_list(
    source: Source = None,
    reason: Reason = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Open rows by source and reason, with one place to look at."""
    with open_lake(data).reader() as session:
        found = session.table(
            "SELECT source, reason, count(*) AS rows, min(received_on) AS first_on, "
            "max(received_on) AS last_on, arg_min(file || ':' || line, (file, line)) AS example "
            f"{OPEN} WHERE {_filter(source, reason)} GROUP BY ALL ORDER BY ALL"
        )
    show.rows("reasons", found.to_pylist(), form)


@app.command("show")
def quarantine_show(
    source: Source = None,
    reason: Reason = None,
    limit: Annotated[int, typer.Option(min=0, help="Rows to show.")] = 20,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Open rows with their origin and their bytes as they came (these may be personal)."""
    with open_lake(data).reader() as session:
        found = session.table(
            f"SELECT file, line, reason, detail, raw_base64 {OPEN} "
            f"WHERE {_filter(source, reason)} ORDER BY file, line LIMIT {int(limit)}"
        ).to_pylist()
    show.rows("rows", [_with_raw(row) for row in found], form)


@app.command("replay")
def quarantine_replay(
    delivered_at: Annotated[
        str | None, typer.Option(help="ISO time with zone at which they count as delivered; now.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count and stop.")] = False,
    conf: Annotated[Path | None, typer.Option(help="Folder of the definitions.")] = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Hand in again exactly those rows that the declarations in force now take."""
    from jobs import replay

    lake, at = open_lake(data), instant(delivered_at)
    not_before_newest(lake, at)
    found = replay.replay(lake, settings.read(conf), at, dry_run=dry_run)
    if not found:
        raise NothingToDo("nothing to do: no open row would be taken now")
    show.rows("replays", found, form)


def _filter(source: str | None, reason: str | None) -> str:
    wanted = [("source", source), ("reason", reason)]
    return " AND ".join(f"{name} = {quoted(value)}" for name, value in wanted if value) or "true"


def _with_raw(row: dict[str, Any]) -> dict[str, Any]:
    raw = base64.b64decode(row.pop("raw_base64"))
    came_over = place_of_line(row["file"], row["line"])
    topic = {"came_over": came_over} if came_over else {}
    return row | topic | {"raw": raw.decode("utf-8", "backslashreplace").rstrip("\r\n")}
