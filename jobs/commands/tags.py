"""``guiyi tag``: check, plan, try, describe and follow the definitions of tags."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs import show
from jobs.commands.jobs import Conf
from jobs.dates import as_of, day
from jobs.show import DataOption, Format, FormatOption
from lake.store import open_lake
from schemas.errors import ConfigError, UsageError

app = typer.Typer(help="Tags: their definitions, before and after they run.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(help="Tags; all when absent.")]
Name = Annotated[str, typer.Argument(help="A tag, by its present name or a former one.")]
Files = Annotated[
    list[Path] | None, typer.Option("--file", help="File of tags not yet in force; repeatable.")
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Business date or number of a release; the newest.")
]


@app.callback()
def tag() -> None:
    """Tags: their definitions, before and after they run."""


@app.command("check")
def tag_check(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="Files of tags, held together with those in force."),
    ] = None,
    conf: Conf = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Whether definitions of tags are right; every fault with its line and what would be right."""
    from jobs import tags

    found = tags.read(files or [], conf)
    counts = {"tags": len(found.entries), "files": [str(path) for path in found.files]}
    if found.errors:
        errors = [_error(one) for one in found.errors]
        if form is Format.JSON:
            show.answer(
                {**counts, "error": errors[0], "errors": errors, "exit_code": 2}, form, ""
            )
        for one in found.errors if form is Format.TEXT else []:
            typer.echo(f"error: {one}", err=True)
        raise typer.Exit(2)
    batch = sorted(one.name for one in found.tags if one.sql is not None)
    value = {**counts, "errors": [], "batch_only": batch}
    text = f"{len(found.tags)} tags in {len(found.files)} files are right"
    show.answer(value, form, text + (f"; batch only: {', '.join(batch)}" if batch else ""))


@app.command("plan")
def tag_plan(
    names: Names = None,
    files: Files = None,
    date_: Annotated[
        str | None, typer.Option("--date", help="Business date; the day after the newest release.")
    ] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Time a sample of the history, to estimate seconds.")
    ] = False,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """What computing tags would read, by which queries, before anything runs."""
    from jobs import tags, tags_plan

    defined = tags.read(files or [], conf)
    defined.require_right()
    lake = open_lake(data)
    newest = lake.release()
    wanted = day(date_, "--date") if date_ else newest.business_date + timedelta(days=1)
    if wanted < newest.business_date:
        raise UsageError(
            f"{wanted} is before the newest release",
            expected=f"a business date from {newest.business_date}", got=str(wanted),
            where="--date", todo="leave it out to plan the next date",
        )
    found = tags_plan.planned(lake, defined, _chosen(names, files, defined), wanted, measure)
    show.answer(found, form, tags_plan.text(found))


@app.command("run")
def tag_run(
    names: Names = None,
    files: Files = None,
    date_: Annotated[
        str | None, typer.Option("--date", help="Date of a release; the newest.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Parquet file for the values of all persons.")
    ] = None,
    rows: Annotated[int, typer.Option("--sample", min=0, help="Persons to show per tag.")] = 3,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Compute tags on a release without publishing: coverage, spread, a sample, and a file."""
    from jobs import tags, tags_trial
    from pipelines.erasure import veil

    defined = tags.read(files or [], conf)
    defined.require_right()
    lake = open_lake(data)
    release = lake.release(day(date_, "--date") if date_ else None)
    chosen = _chosen(names, files, defined)
    with lake.session() as session:
        shown = veil.opened(lake, release, session)
        found = tags_trial.tried(shown, release, defined, chosen, rows, out)
    show.answer(found, form, tags_trial.text(found))


@app.command("describe")
def tag_describe(
    name: Name,
    as_of_text: AsOf = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """A tag: definition, what it is made of, its dates, who has it, who uses it."""
    from jobs import tags, tags_story

    defined = tags.read((), conf)
    defined.require_right()
    release = open_lake(data).release(as_of(as_of_text))
    with open_lake(data).session() as session:
        found = tags_story.described(release.open(session), release, defined, name, conf)
    show.answer(found, form, tags_story.described_text(found))


@app.command("history")
def tag_history(
    name: Name,
    as_of_text: AsOf = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Every change of a tag's definition, and its coverage by date under all its names."""
    from jobs import tags, tags_story
    from pipelines.erasure import veil

    defined = tags.read((), conf)
    with veil.reader(open_lake(data), as_of(as_of_text)) as session:
        found = tags_story.told(session, defined, name)
    show.answer(found, form, tags_story.told_text(found))


def _chosen(names: list[str] | None, files: list[Path] | None, defined: Any) -> list[str]:
    """The tags asked for: by name, else those of the given files, else all."""
    if names:
        return [defined.tag(name).name for name in names]
    given = {str(path) for path in files or []}
    return [
        tag.name for tag in defined.tags
        if not given or defined.entries[tag.name].lines.file in given
    ]


def _error(one: ConfigError) -> dict[str, str]:
    parts = {name: getattr(one, name) for name in ("expected", "got", "where", "todo")}
    return {"message": str(one).split("\n")[0], **parts}
