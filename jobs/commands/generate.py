"""``guiyi generate`` and ``guiyi land``: files come to the landing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import pyarrow.parquet as pq
import typer

from domain.dates import cut
from jobs import settings, show
from jobs.dates import instant, not_before_newest
from jobs.progress import log, stage, tracked
from jobs.show import DataOption, Format, FormatOption
from lake.landing import Incoming
from lake.store import Lake, open_lake
from schemas.errors import InputError, NothingToDo, UsageError

LAST_DATE = date(2017, 12, 31)


class Traps(StrEnum):
    """How spoiled the world is."""

    NONE = "none"
    BASIC = "basic"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class LandedFile:
    """A file that somebody hands in."""

    source: str
    path: str
    delivered_at: datetime
    content: bytes


def generate(
    traps: Annotated[Traps, typer.Option(help="Traps laid in the data.")] = Traps.BASIC,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    persons: Annotated[
        int | None, typer.Option(help="With --events: a world of any size, no real purchases.")
    ] = None,
    events: Annotated[int | None, typer.Option(help="With --persons: how many events.")] = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Deliver the raw files of the sample retailer for 2017, and put the truth aside."""
    from pipelines import world

    if (persons is None) != (events is None):
        raise UsageError("--persons and --events go together", expected="both or none", got="one")
    lake = open_lake(data, create=True)
    marker = {"seed": seed, "traps": traps, "persons": persons, "events": events}
    _refuse_other_world(lake, marker)
    with stage("generate"):
        made = (
            world.generate(seed, traps.value)
            if persons is None or events is None
            else world.generate_at_scale(persons, events, seed, traps.value)
        )
        fresh = lake.landing.receive(tracked(_captured(made.files), "files"))
        truth = lake.root / "truth"
        truth.mkdir(exist_ok=True)
        for name, table in made.truth.items():
            pq.write_table(table, truth / f"{name}.parquet")
    _keep_marker(lake, marker)
    size = sum(d.size_bytes for d in fresh)
    summary = {"files": len(fresh), "bytes": size, "landing": str(lake.landing.root)}
    text = f"{len(fresh):,} files, {size / 1e6:,.0f} MB in {lake.landing.root}"
    show.answer(summary, form, text)


def _captured(files: Iterable[Incoming]) -> Iterator[Incoming]:
    """Files delivered before the cut of the last date: the rest has not happened yet."""
    programme = settings.read().programme
    end = cut(LAST_DATE, programme.zone, programme.cut_hours)
    return (file for file in files if file.delivered_at < end)


def _marker(lake: Lake) -> Path:
    return lake.root / "world.json"


def _refuse_other_world(lake: Lake, marker: dict[str, object]) -> None:
    path = _marker(lake)
    if path.exists():
        if json.loads(path.read_text()) == marker:
            raise NothingToDo(f"nothing to do: this world is in {lake.landing.root} already")
        raise UsageError(
            "another world is here already",
            expected=f"an empty folder, or the world {path.read_text().strip()}",
            got=str(marker),
            where=str(lake.root),
            todo="name another folder with --data, or remove this one",
        )
    if lake.landing.deliveries() and lake.releases():
        raise UsageError(
            "this lake holds other data",
            expected="an empty folder",
            got="a lake with releases",
            where=str(lake.root),
            todo="name another folder with --data",
        )


def _keep_marker(lake: Lake, marker: dict[str, object]) -> None:
    _marker(lake).write_text(json.dumps(marker))


def land(
    source: Annotated[str, typer.Argument(help="The declared source it belongs to.")],
    files: Annotated[list[Path], typer.Argument(help="Files to hand in.")],
    delivered_at: Annotated[
        str | None, typer.Option(help="ISO time with zone; default: now.")
    ] = None,
    conf: Annotated[Path | None, typer.Option(help="Folder of the definitions.")] = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Hand files to the landing; the next release of a date whose cut comes after takes them."""
    known = [declared.name for declared in settings.read(conf).sources]
    if source not in known:
        raise UsageError(
            f"no source {source!r} is declared",
            expected="one of " + ", ".join(known),
            got=source,
            todo=f"declare it in conf/local/sources/{source}.yml",
        )
    at = instant(delivered_at)
    lake = open_lake(data, create=True)
    not_before_newest(lake, at)
    incoming = [LandedFile(source, f"{source}/{p.name}", at, _content(p)) for p in files]
    fresh = lake.landing.receive(incoming)
    log.info("%d of %d files were new", len(fresh), len(files))
    if not fresh:
        raise NothingToDo("nothing to do: these files were delivered before")
    show.answer({"files": [d.file for d in fresh]}, form, "\n".join(d.file for d in fresh))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            "a file cannot be handed in",
            expected="a readable file",
            got="a folder" if path.is_dir() else str(error.strerror),
            where=str(path),
            todo="name the files inside it" if path.is_dir() else "check path and permissions",
        ) from error
