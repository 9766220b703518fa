"""``guiyi stream run``: the whole platform over topics, shown while it runs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from jobs import settings, show
from jobs.commands.jobs import Conf
from jobs.progress import log, stage
from jobs.run import new_run_id
from jobs.show import Format, FormatOption
from jobs.streaming import whole
from jobs.streaming.whole import Seen, Shown
from lake.engines import parts
from lake.engines.kafka import Broker
from lake.store import open_lake
from schemas.errors import NotFoundError, QualityError, UsageError

TOLD_EVERY_S = 5.0


def stream_run(
    origin: Annotated[Path, typer.Option("--from", help="Lake whose landing is sent.")],
    data: Annotated[Path, typer.Option("--data", help="Folder of a lake of its own, made anew.")],
    days: Annotated[int, typer.Option(min=0, help="Dates released one by one.")] = 7,
    engine: Annotated[str, typer.Option("--engine", help="local or flink.")] = "flink",
    kinds: Annotated[
        list[str] | None, typer.Option("--stream", help="counts, patterns, tags; repeatable.")
    ] = None,
    landers: Annotated[int, typer.Option(min=1, help="Processes that land.")] = 2,
    port: Annotated[int, typer.Option(help="Where the broker listens.")] = parts.KAFKA_PORT,
    conf: Conf = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Send a landing into a Kafka of one node, land, release and act on it as it comes.

    Ends with the tables of the batch run over the same landing, or with exit code 3.
    """
    parts.require(*parts.OF_ENGINE["kafka"], *parts.OF_ENGINE.get(engine, ()))
    source, settled = open_lake(origin), settings.read(conf)
    if data.exists() and any(data.iterdir()):
        raise UsageError(
            "the folder of this run is not empty", expected="a folder to be made",
            got=str(data), where="--data", todo=f"remove {data}, or name another",
        )
    os.environ["GUIYI_IDENTIFIER_SECRET"] = source.identifier_secret().decode()
    lake = open_lake(data, create=True)
    dates = whole.dates_of(source, settled, days)
    broker = Broker(lake.root / "kafka", port)
    with stage("broker up"):
        broker.up()
    os.environ["GUIYI_TOPICS"] = broker.address
    began = time.monotonic()
    try:
        with _told() as shown:
            seen = whole.run(
                source, lake, settled, dates, new_run_id(), engine=engine,
                kinds=kinds or ["counts", "patterns"], landers=landers, shown=shown,
            )
    finally:
        broker.down()
    seconds = round(time.monotonic() - began, 1)
    try:
        differing = whole.differences(lake, source) if source.release().business_date == (
            dates[-1]
        ) else None
    except NotFoundError:
        differing = None
    value = {
        "records": seen.fed, "landed": seen.landed, "files": seen.files, "seconds": seconds,
        "releases": len(seen.releases), "said": seen.said, "counted": seen.counted,
        "same_tables_as_batch": None if differing is None else not differing,
    }
    show.answer(value, form, "\n".join([*_lines(seen), f"seconds: {seconds}", _told_of(differing)]))
    if differing:
        raise QualityError(
            "the tables are not those of the batch run", got=_told_of(differing),
            where=str(lake.root), todo="keep both folders and report it",
        )


def _told_of(differing: dict[str, tuple[int, int]] | None) -> str:
    if differing is None:
        return "batch run: there is none of this date to compare with"
    if not differing:
        return "batch run: the same tables, row for row"
    return "tables that differ: " + ", ".join(
        f"{name} ({here:,} rows, batch {there:,})" for name, (here, there) in differing.items()
    )


def _lines(seen: Seen) -> list[str]:
    said = [f"{kind}: {count:,} answers" for kind, count in sorted(seen.said.items())]
    return [
        f"fed: {seen.fed:,} records, {seen.files:,} files", f"landed: {seen.landed:,}",
        f"released: {len(seen.releases)} dates, up to {max(seen.releases, default='-')}",
        *said, f"counted live: {seen.counted:,} events",
    ]


@contextmanager
def _told() -> Iterator[Shown]:
    """A table that renews itself on a terminal, log lines elsewhere."""
    if not sys.stderr.isatty():
        last = [0.0]

        def line(seen: Seen) -> None:
            if time.monotonic() - last[0] >= TOLD_EVERY_S:
                last[0] = time.monotonic()
                log.info("%s; %s", seen.doing, "; ".join(_lines(seen)))

        yield line
        return
    with Live(console=Console(stderr=True), refresh_per_second=4) as live:

        def table(seen: Seen) -> None:
            shown = Table(title=seen.doing, show_header=False)
            for one in _lines(seen):
                shown.add_row(*one.split(": ", 1))
            live.update(shown)

        yield table
