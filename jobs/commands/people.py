"""``guiyi explain`` and ``guiyi timeline``: one person, looked at closely."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jobs import settings, show
from jobs.dates import as_of, day
from jobs.show import DataOption, Format, FormatOption
from lake.store import open_lake
from schemas.errors import UsageError

explain = typer.Typer(help="Why something is as it is.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(help="A one_id, a person_no, or any identifier's value.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Business date or number of a release.")]
Clear = Annotated[bool, typer.Option("--clear", help="Show identifiers unmasked.")]


@explain.callback()
def explained() -> None:
    """Why something is as it is."""


@explain.command("person")
def explain_person(
    who: Who,
    as_of_text: AsOf = None,
    clear: Clear = False,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """A person's identifiers and the evidence that joins them."""
    from pipelines import identity

    with open_lake(data).reader(as_of(as_of_text)) as session:
        one_id = identity.find_person(session, who, settings.read().programme.region)
        found = identity.explain_person(session, one_id, is_clear=clear)
    show.answer(found, form, identity.render(found))


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

    first = day(start, "--start") if start else None
    last = day(end, "--end") if end else None
    if first and last and first >= last:
        raise UsageError(
            "no date lies between", expected="--start before --end", got=f"{start}, {end}"
        )
    with open_lake(data).reader(as_of(as_of_text)) as session:
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
