"""``guiyi stream``: what acts on events as they come."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from jobs import settings, show
from jobs.commands.jobs import Conf
from jobs.run import clock
from jobs.show import DataOption, Format, FormatOption
from lake.store import open_lake
from schemas.errors import NotFoundError, NothingToDo, UsageError

app = typer.Typer(help="Patterns, tags and counts of events as they come.", no_args_is_help=True)

Engine = Annotated[str, typer.Option("--engine", help="local (in this process) or flink.")]
Follow = Annotated[bool, typer.Option("--follow", help="Go on for ever; Flink always does.")]
Parallelism = Annotated[int, typer.Option(min=1, max=128, help="Parallel parts in Flink.")]


@app.command("patterns")
def stream_patterns(
    engine: Engine = "local", follow: Follow = False, parallelism: Parallelism = 1,
    conf: Conf = None, data: DataOption = None, form: FormatOption = Format.TEXT,
) -> None:
    """Say once, into the topic patterns.matches, what began and was not cancelled in time."""
    _run("patterns", engine, follow, parallelism, conf, data, form)


@app.command("tags")
def stream_tags(
    engine: Engine = "local", follow: Follow = False, parallelism: Parallelism = 1,
    conf: Conf = None, data: DataOption = None, form: FormatOption = Format.TEXT,
) -> None:
    """Say once, into the topic tags.values, which tags of the streaming subset changed."""
    _run("tags", engine, follow, parallelism, conf, data, form)


@app.command("counts")
def stream_counts(
    engine: Engine = "local", follow: Follow = False, parallelism: Parallelism = 1,
    conf: Conf = None, data: DataOption = None, form: FormatOption = Format.TEXT,
) -> None:
    """Count events received per source, type and minute into the topic counts.by_minute."""
    _run("counts", engine, follow, parallelism, conf, data, form)


@app.command("define")
def stream_define(
    kind: Annotated[str, typer.Argument(help="patterns or tags.")],
    remove: Annotated[
        list[str] | None, typer.Option("--remove", help="Take this one out of force; repeatable.")
    ] = None,
    conf: Conf = None, data: DataOption = None, form: FormatOption = Format.TEXT,
) -> None:
    """Bring the definitions under conf into force in jobs that run; none is restarted."""
    from jobs.streaming import changes
    from jobs.streaming.kinds import KINDS
    from jobs.topics.place import topics_of

    if kind not in ("patterns", "tags"):
        raise UsageError("these have no definitions", expected="patterns or tags", got=kind)
    lake, settled = open_lake(data), settings.read(conf)
    found, gone = KINDS[kind].begun_with(settled), set(remove or [])
    KINDS[kind].keyed(settled, lake.identifier_secret()).rules(found)
    topics = topics_of(lake, settled)
    topics.create(KINDS[kind].changes, 1)
    sent = {**dict.fromkeys(gone), **{n: d for n, d in found.items() if n not in gone}}
    changes.send(topics, KINDS[kind].changes, sent, int(clock().timestamp() * 1000))
    topics.close()
    lines = [f"{name}: {'removed' if said is None else 'sent'}" for name, said in sent.items()]
    show.answer({"sent": sorted(set(sent) - gone), "removed": sorted(gone)}, form, "\n".join(lines))


def _run(
    name: str, engine: str, follow: bool, parallelism: int, conf: Path | None, data: str | None,
    form: Format,
) -> None:
    from jobs.streaming import hosting

    if engine not in hosting.ENGINES:
        raise NotFoundError(
            f"streaming jobs do not run on {engine!r}", expected=" or ".join(hosting.ENGINES),
            got=engine,
        )
    lake, settled = open_lake(data), settings.read(conf)
    if engine == "flink":
        hosting.in_flink(lake, settled, name, parallelism=parallelism, conf=conf)
        return
    done = hosting.local(lake, settled, name, is_endless=follow)
    if not done.records and not done.said:
        raise NothingToDo("nothing to do: every record was read before")
    told = f"{done.records:,} records, {done.events:,} of them asked for, {done.said:,} answers"
    show.answer(msgspec.structs.asdict(done), form, told)
