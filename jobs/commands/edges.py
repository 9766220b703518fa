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
PreviousOption = Annotated[
    Path | None, typer.Option("--previous", help="Earlier result, to tell moves against.")
]


def resolve(
    edges: EdgesOption,
    out: OutOption,
    rules: RulesOption = None,
    decisions: DecisionsOption = None,
    previous: PreviousOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Resolve edges between identifiers into persons, by rules and decisions; needs no lake."""
    from pipelines.edges import resolve_to

    started = time.perf_counter()
    manifest = resolve_to(edges, out, rules=rules, decisions=decisions, previous=previous)
    seconds = time.perf_counter() - started
    show.answer(manifest, form, _text(manifest, out, seconds))


def _text(told: dict[str, Any], out: Path, seconds: float) -> str:
    rows, found, links = told["rows"], told["identifiers"], told["links"]
    screened = [f"{found[name]:,} {name}" for name in ("blocked", "hub", "shared", "alone")]
    lines = [
        f"{told['persons']['count']:,} persons of {found['count']:,} identifiers by "
        f"{links['accepted']:,} links, in {seconds:.1f} s: {out}",
        f"largest person: {told['persons']['largest']:,} identifiers; of nobody: "
        + ", ".join(screened)
        + f"; stays of what changed hands: {found['handover']:,}",
        f"rows: {rows['in']:,}, taken {rows['taken']:,} (repeated {rows['repeated']:,}), "
        f"refused {rows['refused']:,}",
    ]
    lines += [f"  {count:,} {reason}" for reason, count in rows["refused_by_reason"].items()]
    lines += [f"links refused: {links['refused']:,}"]
    lines += [f"  {count:,} {rule}" for rule, count in links["refused_by_rule"].items()]
    return "\n".join(lines)
