"""``guiyi identity resolve``: who is who by any edges, from any folder, without a lake."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from jobs import show
from jobs.show import Format, FormatOption

EdgesOption = Annotated[
    Path, typer.Option("--edges", help="Parquet file, or folder of such: docs/edges.md.")
]
OutOption = Annotated[
    Path, typer.Option("--out", help="Folder for the result; an earlier result is replaced.")
]
RulesOption = Annotated[
    str | None,
    typer.Option("--rules", help="File of rules, or none: plain components; else safe defaults."),
]
DecisionsOption = Annotated[
    Path | None, typer.Option("--decisions", help="JSON lines: link, unlink, block.")
]
OnlyOption = Annotated[
    bool,
    typer.Option("--only-identities", help="Leave out tenures, links and moves; faster."),
]
PreviousOption = Annotated[
    Path | None, typer.Option("--previous", help="Earlier result, to tell moves against.")
]


def resolve(
    edges: EdgesOption,
    out: OutOption,
    rules: RulesOption = None,
    decisions: DecisionsOption = None,
    previous: PreviousOption = None,
    only_identities: OnlyOption = False,
    form: FormatOption = Format.TEXT,
) -> None:
    """Resolve edges between identifiers into persons, by rules and decisions; needs no lake."""
    from pipelines.edges import resolve_to

    started = time.perf_counter()
    manifest = resolve_to(
        edges, out, rules=rules, decisions=decisions, previous=previous,
        only_identities=only_identities,
    )  # fmt: skip
    seconds = time.perf_counter() - started
    show.answer(manifest, form, _text(manifest, out, seconds))


def _text(told: dict[str, Any], out: Path, seconds: float) -> str:
    rows, found = told["rows"], told["identifiers"]
    lines = [
        f"{told['persons']['count']:,} persons of {found['count']:,} identifiers, "
        f"in {seconds:.1f} s: {out}",
        f"largest person: {told['persons']['largest']:,} identifiers",
        f"rows: {rows['in']:,}, taken {rows['taken']:,}, refused {rows['refused']:,}",
        *_counted(rows["refused_by_reason"]),
    ]
    if "links" in told:
        links = told["links"]
        names = ("blocked", "hub", "shared", "alone", "handover")
        lines.append("stays: " + ", ".join(f"{found[name]:,} {name}" for name in names))
        lines.append(f"links: {links['accepted']:,} accepted, {links['refused']:,} refused")
        lines += _counted(links["refused_by_rule"])
    return "\n".join(lines)


def _counted(counts: dict[str, int]) -> list[str]:
    return [f"  {count:,} {name}" for name, count in counts.items()]
