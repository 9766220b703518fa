"""``guiyi engines`` and ``guiyi kafka``: installs what engines need, runs a broker of one node."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

from jobs import show
from jobs.progress import log
from jobs.show import DataOption, Format, FormatOption
from lake.engines import jars, parts
from lake.engines.kafka import Broker
from schemas.errors import NotFoundError, NothingToDo, NotYetError

app = typer.Typer(help="The jars that engines need.", no_args_is_help=True)
kafka = typer.Typer(help="A real Kafka of one node, for development.", no_args_is_help=True)

Port = Annotated[
    int,
    typer.Option("--port", min=1, max=65_535, help="Where it listens."),
]


@app.command("install")
def install(
    name: Annotated[
        str | None, typer.Argument(help="kafka, flink or spark; all when absent.")
    ] = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Fetch the jars of engines by Maven and hold each to its checksum; exit 99: all are there."""
    if name not in (None, *jars.ENGINES):
        raise NotFoundError(
            f"there is no engine {name!r} that needs jars", expected=", ".join(jars.ENGINES),
            got=str(name),
        )
    found = []
    for engine in [name] if name else jars.ENGINES:
        log.info("jars of %s", engine)
        came = jars.install(engine)
        found.append({"engine": engine, "jars": len(jars.declared(engine)), "fetched": came})
    show.rows("engines", found, form)
    if not any(row["fetched"] for row in found):
        raise NothingToDo("nothing to do: every jar is there and is what its checksum says")


@kafka.command("up")
def up(
    port: Port = parts.KAFKA_PORT,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay until Ctrl-C, which ends it.")
    ] = False,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Start the broker and return when it answers; its files lie in the folder of the lake."""
    broker = _broker(data, port)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        broker.up()
        _tell(broker, form)
        if foreground:
            broker.wait()
    except KeyboardInterrupt:
        broker.down()
        raise


@kafka.command("down")
def down(data: DataOption = None, form: FormatOption = Format.TEXT) -> None:
    """End the broker in order; its topics stay. Exit 99: it was not up."""
    broker = _broker(data, parts.KAFKA_PORT)
    was_up = broker.down()
    _tell(broker, form)
    if not was_up:
        raise NothingToDo("nothing to do: the broker was not up")


@kafka.command("status")
def status(data: DataOption = None, form: FormatOption = Format.TEXT) -> None:
    """Whether the broker is up and answers, where, and its topics; exit 75 when it does not."""
    broker = _broker(data, parts.KAFKA_PORT)
    _tell(broker, form)
    if not broker.status().is_ready:
        raise NotYetError(
            "the broker does not answer", where=str(broker.folder), todo="guiyi kafka up"
        )


def _broker(data: str | None, port: int) -> Broker:
    return Broker(Path(data or os.environ.get("GUIYI_DATA") or "data") / "kafka", port)


def _tell(broker: Broker, form: Format) -> None:
    found = broker.status()
    value = {
        "up": found.is_up, "ready": found.is_ready, "address": found.address or None,
        "pid": found.pid, "folder": found.folder,
    }
    if not found.is_up:
        text = f"the broker is down\n  folder: {found.folder}"
    else:
        state = "answers at" if found.is_ready else "starts, and does not answer yet at"
        text = f"the broker {state} {found.address}\n  folder: {found.folder}\n  pid: {found.pid}"
    show.answer(value, form, text)
