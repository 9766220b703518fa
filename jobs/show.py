"""How commands answer: a table or lines for people, one JSON object for programs; on stdout."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from schemas.errors import GuiyiError


class Format(StrEnum):
    """Text for people, JSON for programs."""

    TEXT = "text"
    JSON = "json"


FormatOption = Annotated[
    Format, typer.Option("--format", help="text for people, json for programs.")
]
DataOption = Annotated[
    str | None,
    typer.Option("--data", envvar="GUIYI_DATA", help="Folder of the lake; default: data."),
]


_answered = False


def failed(error: GuiyiError) -> None:
    """Where JSON was asked for and nothing answered yet, the error as the one JSON object."""
    asked = " ".join(sys.argv)
    if not _answered and ("--format json" in asked or "--format=json" in asked):
        parts = {name: getattr(error, name) for name in ("expected", "got", "where", "todo")}
        message = str(error).split("\n")[0]
        value = {"error": {"message": message, **parts}, "exit_code": error.exit_code}
        answer(value, Format.JSON, "")


def answer(value: Mapping[str, Any], form: Format, text: str) -> None:
    """Print ``text``, or ``value`` as one JSON object."""
    global _answered
    _answered = True
    if form is Format.JSON:
        sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")
    else:
        sys.stdout.write(text.rstrip("\n") + "\n")


def rows(name: str, found: Sequence[Mapping[str, Any]], form: Format) -> None:
    """Print rows as a table, or as ``{name: [...]}``."""
    if form is Format.JSON:
        answer({name: list(found)}, form, "")
        return
    console = Console(soft_wrap=False, width=None if sys.stdout.isatty() else 160)
    if not found:
        console.print(f"no {name}")
        return
    table = Table(*found[0].keys(), box=None, header_style="bold", pad_edge=False)
    for row in found:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


def _cell(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: ""}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return escape(str(value))
