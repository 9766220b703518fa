"""``guiyi model``: what models said of themselves, their versions, and the way back to one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from jobs import settings, show
from jobs.commands.jobs import Conf
from jobs.commands.lake import AsOf
from jobs.dates import as_of
from jobs.show import DataOption, Format, FormatOption
from lake.engines.duckdb import quoted
from lake.store import Lake, open_lake
from schemas.errors import NotFoundError

app = typer.Typer(help="Models: their cards, versions and drift.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of a declared model.")]


@app.command("list")
def model_list(
    as_of_text: AsOf = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Every declared model: whether its scores were published, with which version, for how many."""

    from pipelines.erasure import veil

    release = open_lake(data).release(as_of(as_of_text))
    with veil.reader(open_lake(data), release.release_no) as session:
        scored = {
            str(name): (version, count)
            for name, version, count in session.rows(
                "SELECT model, max(version), count(*) FROM model_scores "
                f"WHERE business_date = DATE '{release.business_date}' GROUP BY model"
            )
        }
    rows = []
    for model in settings.read(conf).models:
        version, count = scored.get(model.name, (None, 0))
        rows.append(
            {
                "model": model.name, "label": model.label, "published": version is not None,
                "version": version, "persons": count, "pinned": model.pinned,
            }
        )
    show.rows("models", rows, form)


@app.command("versions")
def model_versions(
    name: Name, conf: Conf = None, data: DataOption = None, form: FormatOption = Format.TEXT
) -> None:
    """Every kept version, newest first; `pinned: VERSION` in the definition goes back to one."""
    from models import registry

    lake = _known(data, conf, name)
    found = [asdict(one) for one in registry.versions(lake.snapshots, name)]
    show.rows("versions", found, form)


@app.command("card")
def model_card(
    name: Name,
    version: Annotated[str | None, typer.Option("--version", help="The current one.")] = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """What it predicts, from what, how well, and what it must not be used for."""
    from models import registry

    lake = _known(data, conf, name)
    text = registry.card(lake.snapshots, name, version)
    show.answer(registry.summary(lake.snapshots, name, version), form, text)


@app.command("health")
def model_health(
    name: Name,
    as_of_text: AsOf = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Its gate and the drift of its features and scores (PSI), newest date first."""

    from pipelines.erasure import veil

    lake = _known(data, conf, name)
    with veil.reader(lake, as_of(as_of_text)) as session:
        found = session.table(
            "SELECT business_date, what, status, psi, version FROM model_health "
            f"WHERE model = {quoted(name)} ORDER BY business_date DESC, what"
        )
    show.rows("health", found.to_pylist(), form)


def _known(data: str | None, conf: Path | None, name: str) -> Lake:
    declared = [model.name for model in settings.read(conf).models]
    lake = open_lake(data)
    if name not in declared and not (lake.snapshots / name).is_dir():
        raise NotFoundError(
            f"there is no model {name!r}", expected="one of " + ", ".join(declared), got=name,
            todo="see `guiyi model list`",
        )
    return lake
