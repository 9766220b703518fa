"""``guiyi topic``: events over topics, from a feed to the landed records."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from jobs import settings, show
from jobs.commands.jobs import Conf
from jobs.dates import instant
from jobs.progress import log, stage
from jobs.run import clock
from jobs.show import DataOption, Format, FormatOption
from lake.store import open_lake
from schemas.errors import NothingToDo, UsageError

app = typer.Typer(help="Events that come over topics.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="Topics or their sources; all if absent.")]


@app.command("list")
def topic_list(
    conf: Conf = None, data: DataOption = None, form: FormatOption = Format.TEXT
) -> None:
    """Declared topics: partitions, first and next offsets, how long records are kept."""
    from jobs.topics.place import topics_of

    lake, settled = open_lake(data), settings.read(conf)
    topics = topics_of(lake, settled)
    there = set(topics.names())
    rows = []
    for one in settled.topics.topics:
        span = topics.span(one.name) if one.name in there else {}
        rows.append({
            "topic": one.name, "partitions": len(span) or f"{one.partitions} (not made yet)",
            "keep_for_days": one.keep_for_days,
            "records": sum(end - first for first, end in span.values()),
            "offsets": " ".join(f"{first}-{end}" for first, end in span.values()),
        })
    topics.close()
    show.rows("topics", rows, form)


@app.command("create")
def topic_create(
    names: Names = None, conf: Conf = None, data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Make the declared topics that are not there."""
    from jobs.topics.feed import create
    from jobs.topics.place import topics_of

    settled = settings.read(conf)
    made = create(topics_of(open_lake(data, create=True), settled), settled, names)
    if not made:
        raise NothingToDo("nothing to do: the topics are there")
    show.answer({"made": made}, form, "\n".join(made))


@app.command("feed")
def topic_feed(
    origin: Annotated[Path, typer.Option("--from", help="Lake whose landing is sent.")],
    since: Annotated[str | None, typer.Option(help="ISO time of the first delivery.")] = None,
    until: Annotated[str | None, typer.Option(help="ISO time after the last delivery.")] = None,
    files: Annotated[bool, typer.Option(help="Deliver the files of other sources.")] = True,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Send the JSON lines delivered to another lake into topics; deliver its other files."""
    from jobs.topics.feed import feed, files_of
    from jobs.topics.place import topics_of

    lake, settled = open_lake(data, create=True), settings.read(conf)
    source = open_lake(origin)
    if source.root.resolve() == lake.root.resolve():
        raise UsageError(
            "a landing cannot be fed to its own lake", expected="another folder",
            got=str(origin), where="--from", todo="name an empty folder with --data",
        )
    start, end = (instant(one) if one else None for one in (since, until))
    with stage("feed"):
        fed = feed(
            files_of(source.landing, start, end), topics_of(lake, settled), settled,
            lake.landing if files else None,
        )
    lines = [f"{topic}: {count:,} records" for topic, count in sorted(fed.records.items())]
    show.answer(asdict(fed), form, "\n".join([*lines, f"{fed.files:,} files delivered"]))


@app.command("land")
def topic_land(
    names: Names = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on for ever.")] = False,
    worker: Annotated[str, typer.Option(help="K/N: the K-th of N workers by partition.")] = "1/1",
    skip_gone: Annotated[
        bool, typer.Option("--skip-gone", help="Go on past records that the topic dropped.")
    ] = False,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Land topics in the lake, each record once; the next release takes them."""
    from jobs.topics.land import land

    done = land(
        open_lake(data), settings.read(conf), names or [], worker=_worker(worker),
        is_endless=follow, skip_gone=skip_gone,
    )
    if not any(one.records for one in done.values()):
        raise NothingToDo("nothing to do: everything is landed")
    lines = [f"{t}: {one.records:,} records, {one.commits} commits" for t, one in done.items()]
    show.answer({t: asdict(one) for t, one in done.items()}, form, "\n".join(lines))


@app.command("lag")
def topic_lag(conf: Conf = None, data: DataOption = None, form: FormatOption = Format.TEXT) -> None:
    """How far the landing is behind each partition, in records and seconds."""
    from jobs.topics.land import lag

    found = lag(open_lake(data), settings.read(conf))
    show.rows("partitions", [asdict(one) for one in found], form)


@app.command("upkeep")
def topic_upkeep(
    conf: Conf = None, data: DataOption = None, form: FormatOption = Format.TEXT
) -> None:
    """Drop what releases have taken, bring small files together, drop what topics need not keep."""
    from jobs.topics.upkeep import upkeep

    found = upkeep(open_lake(data), settings.read(conf), clock())
    log.debug("%s", found)
    show.answer(found, form, "\n".join(f"{name}: {value}" for name, value in found.items()))


def _worker(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    number, count = (int(one) for one in match.groups()) if match else (0, 0)
    if not 1 <= number <= count:
        raise UsageError(
            "this names no worker", expected="K/N with K from 1 to N", got=text, where="--worker"
        )
    return number, count
