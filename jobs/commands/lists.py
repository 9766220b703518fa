"""``guiyi list``: lists of persons that audiences include or exclude."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from jobs import show
from jobs.dates import as_of, instant
from jobs.show import DataOption, Format, FormatOption
from lake import conf
from lake.store import open_lake
from schemas.errors import InputError, NothingToDo, UsageError
from schemas.programme import Programme
from schemas.sources import IDENTIFIER_TYPES

app = typer.Typer(help="Lists of persons that audiences include or exclude.", no_args_is_help=True)

SHOWN = 20
"""Refused lines that are told one by one; a file may be wrong throughout."""

Name = Annotated[str, typer.Argument(help="A list.")]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Business date or number of a release; the newest.")
]


@app.callback()
def lists() -> None:
    """Lists of persons that audiences include or exclude."""


@app.command("add")
def list_add(
    name: Annotated[str, typer.Argument(help="The list; its first file makes it.")],
    file: Annotated[Path, typer.Argument(help="One identifier a line, or CSV with --column.")],
    type: Annotated[str, typer.Option("--type", help="phone, email, user_id, ...")],
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the change.")],
    column: Annotated[
        str | None, typer.Option("--column", help="Column of a CSV file that holds them.")
    ] = None,
    is_removal: Annotated[bool, typer.Option("--remove", help="Take them off the list.")] = False,
    refused: Annotated[
        Path | None, typer.Option("--refused", help="CSV file for the lines that name nobody.")
    ] = None,
    author: Annotated[
        str | None, typer.Option("--author", help="Who does it; default: the user logged in.")
    ] = None,
    delivered_at: Annotated[
        str | None, typer.Option(help="ISO time with zone at which it counts as done; now.")
    ] = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Put identifiers on a list, or take them off; only their keys are kept."""
    from jobs import lists, tags
    from pipelines.ingest.given import given
    from schemas.lists import Change

    lake, programme = open_lake(data), conf.load("programme.yml", Programme)[0]
    at = instant(delivered_at) if delivered_at else None
    said = {
        "list": name, "change": "removed" if is_removal else "added", "type": type,
        "identifier_key": 0, "reason": " ".join(reason.split()),
        "author": " ".join((tags.author() if author is None else author).split()),
        "changed_at": "2000-01-01T00:00:00Z",
    }
    try:
        change = msgspec.convert(said, Change)
    except msgspec.ValidationError as error:
        raise _wrong(said, str(error)) from None
    found = given(
        _content(file), type, column, region=programme.region,
        secret=lists.secret_of(lake), file=str(file),
    )
    _keep_refused(refused, found.refused)
    try:
        done = lists.enter(lake, change, found, at)
    except (InputError, NothingToDo):
        _tell_refused(found.refused)
        raise
    count = done.content.count(b"\n")
    value: dict[str, Any] = {
        "list": name, "change": change.change, "type": type, "identifiers": count,
        "unchanged": len(found.keys) - count, "duplicates": found.count_duplicates,
        "empty": found.count_empty, "lines": found.count_lines, "refused": len(found.refused),
        "refused_lines": [{"line": one.line, "reason": one.reason} for one in found.refused],
        "file": done.path, "enters_release_of": lists.release_date(done.delivered_at, programme),
    }
    _tell_refused(found.refused if form is Format.TEXT else [])
    show.answer(value, form, _text(value))


@app.command("show")
def list_show(
    name: Annotated[str | None, typer.Argument(help="A list; all when absent.")] = None,
    as_of_text: AsOf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Lists with the identifiers on them and how many persons hold these on the date."""
    from jobs import lists

    lake = open_lake(data)
    release = lake.release(as_of(as_of_text))
    with lake.session() as session:
        found = lists.listing(release.open(session), release.business_date, name)
    show.rows("lists", found, form)


@app.command("members")
def list_members(
    name: Name,
    limit: Annotated[int, typer.Option("--limit", min=0, help="Rows; 0 for all.")] = 50,
    after: Annotated[
        int | None, typer.Option("--after", help="The last identifier_key already seen.")
    ] = None,
    as_of_text: AsOf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Identifiers on a list, masked, and the persons who hold them on the date."""
    from jobs import lists
    from pipelines.erasure import veil

    lake = open_lake(data)
    release = lake.release(as_of(as_of_text))
    with lake.session() as session:
        day = release.business_date
        shown = veil.opened(lake, release, session)
        found = lists.members(shown, name, day, limit, after)
    text = [row | {"identifier_key": str(row["identifier_key"])} for row in found]
    show.rows("members", found if form is Format.JSON else text, form)


@app.command("history")
def list_history(
    name: Name,
    as_of_text: AsOf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Every file that changed a list: how many identifiers, who did it, when and why."""
    from jobs import lists
    from pipelines.erasure import veil

    with veil.reader(open_lake(data), as_of(as_of_text)) as session:
        found = lists.history(session, name)
    show.rows("changes", found, form)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            "the file of identifiers cannot be read", expected="a readable text or CSV file",
            got="a folder" if path.is_dir() else str(error.strerror), where=str(path),
        ) from error


def _wrong(said: dict[str, Any], what: str) -> UsageError:
    part = what.rpartition("$.")[2].strip("`")
    expected = {
        "list": "a name of lower case letters, digits and _, e.g. vip_customers",
        "type": "one of " + ", ".join(IDENTIFIER_TYPES),
        "reason": "why, for those who read it later",
        "author": "who does it, for those who read it later",
    }
    where = "NAME" if part == "list" else f"--{part}"
    return UsageError(
        f"the {part} of a change to a list is wrong", expected=expected.get(part, what),
        got=repr(said.get(part)), where=where,
    )


def _keep_refused(path: Path | None, refused: list[Any]) -> None:
    if path is None:
        return
    with path.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out, lineterminator="\n")
        rows.writerow(("line", "reason", "text"))
        rows.writerows(refused)


def _tell_refused(refused: list[Any]) -> None:
    for one in refused[:SHOWN]:
        typer.echo(f"line {one.line}: {one.reason}", err=True)
    if len(refused) > SHOWN:
        typer.echo(f"and {len(refused) - SHOWN} lines more; --refused FILE keeps all", err=True)


def _text(value: dict[str, Any]) -> str:
    verb = "taken off" if value["change"] == "removed" else "put on"
    parts = [f"{value['identifiers']:,} identifiers {verb} {value['list']}"]
    for name in ("unchanged", "duplicates", "empty", "refused"):
        if value[name]:
            parts.append(f"{value[name]:,} {name}")
    return f"{', '.join(parts)}\nthey enter the release of {value['enters_release_of']}"
