"""``guiyi explain`` and ``guiyi timeline``: one person, looked at closely."""

from __future__ import annotations

from contextlib import redirect_stdout
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs import settings, show
from jobs.commands.jobs import Conf
from jobs.dates import as_of, day
from jobs.show import DataOption, Format, FormatOption
from lake.engines.duckdb import Session
from lake.store import open_lake
from schemas.errors import UsageError

explain = typer.Typer(help="Why something is as it is.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(help="A one_id, a person_no, or any identifier's value.")]
End = Annotated[
    str, typer.Argument(help="An identifier: its value, or type:value; or whoever names a person.")
]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Business date or number of a release.")]
Clear = Annotated[bool, typer.Option("--clear", help="Show identifiers unmasked.")]


class Shown(StrEnum):
    """Text for people, JSON for programs, a page with a drawn graph."""

    TEXT = "text"
    JSON = "json"
    HTML = "html"


ShownOption = Annotated[
    Shown,
    typer.Option("--format", help="text for people, json for programs, html for a drawn graph."),
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="File to write instead of the standard output.")
]


@explain.callback()
def explained() -> None:
    """Why something is as it is."""


@explain.command("person")
def explain_person(
    who: Who,
    as_of_text: AsOf = None,
    clear: Clear = False,
    out: OutOption = None,
    data: DataOption = None,
    form: ShownOption = Shown.TEXT,
) -> None:
    """A person's identifiers, the evidence that joins them, and what was kept out."""
    from pipelines import identity
    from pipelines.erasure import veil

    page = ""
    with veil.reader(open_lake(data), as_of(as_of_text)) as session:
        one_id = identity.find_person(session, who, settings.read().programme.region)
        found = identity.explain_person(session, one_id, is_clear=clear)
        if form is Shown.HTML:
            page = _person_page(session, found, clear)
    _answer(found, form, identity.render(found), page, out)


@explain.command("audience")
def explain_audience(
    name: Annotated[str, typer.Argument(help="An audience.")],
    who: Who,
    files: Annotated[
        list[Path] | None,
        typer.Option("--file", help="File of an audience not yet in force; repeatable."),
    ] = None,
    as_of_text: AsOf = None,
    conf: Conf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Why a person is in an audience or is not: each leaf of its tree, with the values."""
    from jobs import audiences, audiences_as_of

    lake = open_lake(data)
    defined = audiences.read(lake, files or [], conf)
    with audiences_as_of.opened(lake, defined, as_of(as_of_text)) as one:
        found = one.explain(name, who)
    show.answer(found, form, audiences_as_of.explained(found))


@explain.command("score")
def explain_score(
    who: Who,
    model: Annotated[str, typer.Argument(help="Name of a model.")],
    as_of_text: AsOf = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Why a model's score of a person is what it is: features, their values and contributions."""
    from models.published import explained, published
    from pipelines import identity
    from pipelines.erasure import veil

    lake, region = open_lake(data), settings.read().programme.region
    with veil.reader(lake, as_of(as_of_text)) as session:
        one_id = identity.find_person(session, who, region)
        found = explained(session, published(session, lake.snapshots, model), one_id)
    show.rows("reasons", found.to_pylist(), form)


@explain.command("link")
def explain_link(
    a: End,
    b: End,
    as_of_text: AsOf = None,
    clear: Clear = False,
    out: OutOption = None,
    data: DataOption = None,
    form: ShownOption = Shown.TEXT,
) -> None:
    """The chain of evidence that joins two identifiers, or what keeps them apart."""
    from pipelines import identity
    from pipelines.erasure import veil

    page, defined = "", settings.read()
    classes = [one.name for one in defined.identity.evidence]
    with veil.reader(open_lake(data), as_of(as_of_text)) as session:
        keys = [identity.find_key(session, text, defined.programme.region) for text in (a, b)]
        found = identity.explain_link(session, keys[0], keys[1], classes, is_clear=clear)
        if form is Shown.HTML:
            page = _link_page(session, found, clear)
    _answer(found, form, identity.render_link(found), page, out)


def _person_page(session: Session, found: dict[str, Any], clear: bool) -> str:
    from console.graph import page
    from pipelines import identity

    stays = [(row["identifier_key"], row["tenure"]) for row in found["identifiers"]]
    around = identity.surroundings(session, stays, is_clear=clear)
    person, (_, birth, seen, *_) = found["person"], identity.render(found).splitlines()
    return page(around, f"Person {person['person_no']}", [person["one_id"], birth, seen])


def _link_page(session: Session, found: dict[str, Any], clear: bool) -> str:
    from console.graph import page
    from pipelines import identity

    way = [(row["from_node"], row["to_node"]) for row in found["way"]]
    around = identity.surroundings(session, identity.stays_around(session, found), is_clear=clear)
    heading, *_ = identity.render_link(found).splitlines()
    says = [row["says"] for row in found["reasons"]]
    return page(around, heading, says, way)


def _answer(found: dict[str, Any], form: Shown, text: str, page: str, out: Path | None) -> None:
    """The answer in the wanted form, on the standard output or in a file."""
    plain = Format.JSON if form is Shown.JSON else Format.TEXT
    shown = page if form is Shown.HTML else text
    if out is None:
        show.answer(found, plain, shown)
        return
    with out.open("w", encoding="utf-8") as file, redirect_stdout(file):
        show.answer(found, plain, shown)


def timeline(
    who: Who,
    start: Annotated[str | None, typer.Option("--start", help="First business date.")] = None,
    end: Annotated[str | None, typer.Option("--end", help="Business date after the last.")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Newest events to show; 0 for all.")] = 50,
    as_of_text: AsOf = None,
    clear: Clear = False,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """A person's events from all sources in time order."""
    from pipelines import identity
    from pipelines.erasure import veil

    first = day(start, "--start") if start else None
    last = day(end, "--end") if end else None
    if first and last and first >= last:
        raise UsageError(
            "no date lies between", expected="--start before --end", got=f"{start}, {end}"
        )
    with veil.reader(open_lake(data), as_of(as_of_text)) as session:
        one_id = identity.find_person(session, who, settings.read().programme.region)
        found = identity.timeline(session, one_id, first, last, is_clear=clear)
    rows = found.to_pylist()
    rows = rows[-limit:] if limit else rows
    show.rows("events", rows if form is Format.JSON else [_line(row) for row in rows], form)


def _line(row: dict[str, Any]) -> dict[str, str]:
    """An event as one line: when, where, what, seen as whom, and what more is known of it."""
    properties = dict(row["properties"] or [])
    details = [f"{name} {row[name]}" for name in ("order_id", "product_id") if row[name]]
    if row["paid_minor"] is not None:
        details.append(f"{row['quantity']} for {row['paid_minor'] / 100:,.2f} {row['currency']}")
    details += [f"{name} {value}" for name, value in properties.items()]
    details += [str(row[name]) for name in ("direction", "text_masked") if row[name]]
    return {
        "occurred_at": f"{row['occurred_at']:%Y-%m-%d %H:%M:%S}Z",
        "source": row["source"],
        "type": row["type"],
        "seen as": ", ".join(f"{one['type']} {one['value']}" for one in row["identifiers"] or []),
        "what": ", ".join(details),
    }
