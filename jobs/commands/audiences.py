"""``guiyi audience``: who is in an audience as of any kept release."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs import show
from jobs.commands.jobs import Conf
from jobs.dates import as_of, day
from jobs.show import DataOption, Format, FormatOption
from lake.store import open_lake
from schemas.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from jobs.audiences import Defined
    from jobs.audiences_as_of import AsOf

app = typer.Typer(help="Audiences, as of any kept release.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="An audience.")]
Names = Annotated[list[str] | None, typer.Argument(help="Audiences; all when absent.")]
Files = Annotated[
    list[Path] | None,
    typer.Option("--file", help="File of an audience not yet in force; repeatable."),
]
AsOfOption = Annotated[
    str | None, typer.Option("--as-of", help="Business date or number of a release; the newest.")
]
Limit = Annotated[int, typer.Option("--limit", min=0, help="Persons to show; 0 for all.")]


@app.callback()
def audience() -> None:
    """Audiences, as of any kept release."""


@app.command("list")
def audience_list(
    files: Files = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Audiences in force now, where each is defined, and its size in the newest release."""
    from jobs import audiences

    lake = open_lake(data)
    defined = audiences.read(lake, files or [], conf)
    rows = audiences.listing(lake, defined)
    show.rows("audiences", rows, form)


@app.command("check")
def audience_check(
    names: Names = None,
    files: Files = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Whether definitions of audiences are right; every fault with its line, and the mend."""
    from jobs import audiences

    lake = open_lake(data) if audiences.has_lake(data) else None
    defined = audiences.read(lake, files or [], conf)
    chosen = names or [one.name for one in defined.audiences]
    audiences.require_known(defined, chosen)
    errors = list({str(one): one for one in defined.faults(chosen)}.values())
    value: dict[str, Any] = {"audiences": len(chosen), "errors": [_error(one) for one in errors]}
    if errors:
        if form is Format.JSON:
            show.answer({**value, "error": value["errors"][0], "exit_code": 2}, form, "")
        for one in errors if form is Format.TEXT else []:
            typer.echo(f"error: {one}", err=True)
        raise typer.Exit(2)
    show.answer(value, form, f"{len(chosen)} audiences are right")


@app.command("count")
def audience_count(
    names: Names = None,
    files: Files = None,
    as_of_text: AsOfOption = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """How many persons are in each audience."""
    with _opened(files, as_of_text, conf, data) as one:
        found = one.count(_chosen(names, files, one.defined))
    _answer(found, form, "audiences", found["audiences"])


@app.command("members")
def audience_members(
    name: Name,
    files: Files = None,
    as_of_text: AsOfOption = None,
    limit: Limit = 50,
    after: Annotated[
        int | None, typer.Option("--after", help="The last person_no already seen.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Parquet file for all members instead.")
    ] = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Members of an audience, in order of their numbers; no values of theirs are shown."""
    with _opened(files, as_of_text, conf, data) as one:
        found = one.write(name, out) if out else one.members(name, limit, after)
    if out:
        show.answer(found, form, f"{found['count']:,} members of {name} written to {out}")
        return
    rows = [row | {"person_no": str(row["person_no"])} for row in found["members"]]
    _answer(found, form, "members", rows)
    if form is Format.TEXT and found["next"] is not None:
        typer.echo(f"{found['count']:,} in all; go on with --after {found['next']}")


@app.command("diff")
def audience_diff(
    name: Name,
    from_: Annotated[str, typer.Option("--from", help="Business date of the earlier release.")],
    to: Annotated[str, typer.Option("--to", help="Business date of the later release.")],
    files: Files = None,
    limit: Limit = 20,
    is_why: Annotated[
        bool, typer.Option("--why", help="Say of each person shown what has changed.")
    ] = False,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Who came and who went between two dates, and why; who was merged has not gone."""
    from jobs import audiences, audiences_as_of

    lake = open_lake(data)
    defined = audiences.read(lake, files or [], conf)
    first, last = day(from_, "--from"), day(to, "--to")
    opened = audiences_as_of.opened
    with opened(lake, defined, first) as then, opened(lake, defined, last) as now:
        found = audiences_as_of.compared(then, now, name, limit, is_why=is_why)
    if form is Format.JSON:
        show.answer(found, form, "")
        return
    show.answer(found, form, _compared(found))
    for side in ("came", "went", "merged"):
        if found[side]:
            typer.echo(f"\n{side}:")
            show.rows(side, [_plain(row) for row in found[side]], form)


@app.command("overlap")
def audience_overlap(
    names: Annotated[list[str], typer.Argument(help="Two audiences or more.")],
    files: Files = None,
    as_of_text: AsOfOption = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """How many persons are in each two of the audiences."""
    if len(set(names)) < 2:
        raise UsageError("one audience overlaps nothing", expected="two or more", got=names[0])
    with _opened(files, as_of_text, conf, data) as one:
        found = one.overlap(list(dict.fromkeys(names)))
    rows = [{"audience": row["audience"], **row["with"]} for row in found["audiences"]]
    _answer(found, form, "audiences", rows)


@app.command("distribution")
def audience_distribution(
    name: Name,
    tag: Annotated[str, typer.Argument(help="A tag of the date.")],
    files: Files = None,
    as_of_text: AsOfOption = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """How a tag is spread in an audience, beside everyone."""
    with _opened(files, as_of_text, conf, data) as one:
        found = one.distribution(name, tag)
    _answer(found, form, "bins", found["bins"])


@contextmanager
def _opened(
    files: list[Path] | None, as_of_text: str | None, conf: Path | None, data: str | None
) -> Iterator[AsOf]:
    from jobs import audiences, audiences_as_of

    lake = open_lake(data)
    defined = audiences.read(lake, files or [], conf)
    with audiences_as_of.opened(lake, defined, as_of(as_of_text)) as one:
        yield one


def _chosen(names: list[str] | None, files: list[Path] | None, defined: Defined) -> list[str]:
    """The audiences asked for: by name, else those of the given files, else all."""
    given = {str(path) for path in files or []}
    in_files = [name for name, origin in defined.origins.items() if origin in given]
    return names or in_files or [one.name for one in defined.audiences]


def _answer(found: dict[str, Any], form: Format, name: str, rows: list[dict[str, Any]]) -> None:
    if form is Format.JSON:
        show.answer(found, form, "")
        return
    version = f", version {found['version']}" if "version" in found else ""
    show.answer(
        found, form,
        f"release {found['release_no']} of {found['business_date']}, "
        f"cut {found['cut']:%Y-%m-%d %H:%M}Z{version}",
    )
    show.rows(name, rows, form)


def _plain(row: dict[str, Any]) -> dict[str, str]:
    """A row of a difference for people: the most telling reason there is."""
    return {
        "person_no": str(row["person_no"]), "one_id": row["one_id"],
        "why": "; ".join(row.get("changed") or [row["why"]]),
        "other_one_id": row["other_one_id"] or "",
    }


def _compared(found: dict[str, Any]) -> str:
    lines = [
        f"{found['audience']}, version {found['version']}: "
        f"{found['members_from']:,} on {found['from']['business_date']}, "
        f"{found['members_to']:,} on {found['to']['business_date']}",
        f"stayed {found['count_stayed']:,}, came {found['count_came']:,}, "
        f"went {found['count_went']:,}, went on as another person {found['count_merged']:,}",
    ]
    return "\n".join(lines)


def _error(one: ConfigError) -> dict[str, str]:
    parts = {name: getattr(one, name) for name in ("expected", "got", "where", "todo")}
    return {"message": str(one).split("\n")[0], **parts}
