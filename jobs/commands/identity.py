"""``guiyi identity``: what people decide about who is who."""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import Annotated, Any

import typer

from jobs import show
from jobs.commands import edges
from jobs.dates import as_of, instant
from jobs.show import DataOption, Format, FormatOption
from lake import conf
from lake.store import open_lake
from schemas.decisions import Kind
from schemas.errors import UsageError
from schemas.identity_rules import IdentityRules
from schemas.programme import Programme

app = typer.Typer(help="Who is who: rules, evidence, decisions of people.", no_args_is_help=True)
app.command("resolve")(edges.resolve)

Value = Annotated[
    str, typer.Argument(help="type:value, or a value that names exactly one identifier.")
]
Blocked = Annotated[
    str, typer.Argument(help="type:value, also of one never seen, or the value of one identifier.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the decision.")]
Author = Annotated[
    str | None, typer.Option("--author", help="Who decides; default: the user logged in.")
]
DeliveredAt = Annotated[
    str | None, typer.Option(help="ISO time with zone at which it counts as made; now.")
]


@app.command("link")
def identity_link(
    a: Value,
    b: Value,
    reason: Reason,
    author: Author = None,
    delivered_at: DeliveredAt = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Decide that two identifiers are one person's, whatever limits say."""
    _decide("link", [a, b], reason, author, delivered_at, data, form)


@app.command("unlink")
def identity_unlink(
    a: Value,
    b: Value,
    reason: Reason,
    author: Author = None,
    delivered_at: DeliveredAt = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Decide that two identifiers are never one person's."""
    _decide("unlink", [a, b], reason, author, delivered_at, data, form)


@app.command("block")
def identity_block(
    a: Blocked,
    reason: Reason,
    author: Author = None,
    delivered_at: DeliveredAt = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Decide that a value names nobody; it takes effect on all history."""
    _decide("block", [a], reason, author, delivered_at, data, form)


@app.command("revoke")
def identity_revoke(
    decision_id: Annotated[str, typer.Argument(help="See `guiyi identity decisions`.")],
    reason: Reason,
    author: Author = None,
    delivered_at: DeliveredAt = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Take a decision back: what follows is as if it had never been."""
    _decide("revoke", [], reason, author, delivered_at, data, form, revokes=decision_id)


@app.command("decisions")
def identity_decisions(
    every: Annotated[
        bool, typer.Option("--all", help="Also those taken back, revokes, and those set aside.")
    ] = False,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Decisions in force, who made them and why, and whether a release knows them yet."""
    from jobs import decisions

    found = decisions.listing(open_lake(data), is_all=every)
    if form is Format.TEXT:
        found = [row | {"decided_at": _seconds(row["decided_at"])} for row in found]
    show.rows("decisions", found, form)


@app.command("health")
def identity_health(
    as_of_text: Annotated[
        str | None, typer.Option("--as-of", help="Business date or number of a release.")
    ] = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """How identity fares by type, with the drift since the publication before, and wrong links."""
    from pipelines import identity
    from pipelines.erasure import veil

    rules = conf.load("identity.yml", IdentityRules)[0]
    with veil.reader(open_lake(data), as_of(as_of_text)) as session:
        found = identity.health(session, rules)
    if form is Format.JSON:
        show.answer(found, form, "")
        return
    show.answer(found, form, identity.render_health(found))
    show.rows("types", identity.health_lines(found), form)


def _decide(
    kind: Kind,
    texts: list[str],
    reason: str,
    author: str | None,
    delivered_at: str | None,
    data: str | None,
    form: Format,
    revokes: str | None = None,
) -> None:
    from jobs import decisions

    lake, programme = open_lake(data), conf.load("programme.yml", Programme)[0]
    at = instant(delivered_at) if delivered_at else None
    is_block = kind == "block"
    named = decisions.identifiers(lake, texts, programme.region, may_be_unseen=is_block)
    if kind == "link":
        decisions.refuse_screened(lake, named)
    author = _user() if author is None else author
    done = decisions.enter(lake, kind, named, reason=reason, author=author, revokes=revokes, at=at)
    day = decisions.release_date(done, programme)
    value: dict[str, Any] = {
        "decision_id": done.decision.decision_id,
        "kind": kind,
        "author": done.decision.author,
        "reason": done.decision.reason,
        "decided_at": done.decision.decided_at,
        "file": done.path,
        "enters_release_of": day,
    }
    show.answer(value, form, f"{done}\nit enters the release of {day}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UsageError(
            "nobody is logged in",
            expected="the name of who decides",
            got="none",
            where="--author",
        ) from None


def _seconds(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"
