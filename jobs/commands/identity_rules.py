"""``guiyi identity rules``: what a file of rules would change, before it is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs import show
from jobs.show import DataOption, Format, FormatOption
from lake import conf
from lake.store import open_lake
from schemas.errors import ConfigError, NotFoundError
from schemas.identity_rules import IdentityRules

app = typer.Typer(help="The rules of identity as a file.", no_args_is_help=True)

File = Annotated[Path, typer.Argument(help="Rules as in conf/base/identity.yml.")]
Clear = Annotated[bool, typer.Option("--clear", help="Show identifiers unmasked.")]


@app.callback()
def rules() -> None:
    """The rules of identity as a file."""


@app.command("check")
def rules_check(
    file: File,
    sample: Annotated[
        int, typer.Option("--sample", min=0, help="Persons split, and merged, to show.")
    ] = 10,
    clear: Clear = False,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Whether a file of rules is right, and what it would change on the newest release."""
    from pipelines import identity

    read = _read(file)
    lake = open_lake(data)
    of = lake.release()
    with lake.reader(of.release_no) as session:
        try:
            found = identity.compare(session, read, sample=sample, is_clear=clear)
        except ConfigError as error:
            raise _of_file(error, file) from None
    found = {"file": str(file), "release_no": of.release_no, "date": of.business_date} | found
    head = f"{file} on release {of.release_no} of {of.business_date}"
    show.answer(found, form, f"{head}\n{identity.render_comparison(found, read)}")


def _read(file: Path) -> IdentityRules:
    try:
        return conf.load_file(file, IdentityRules)
    except OSError as error:
        raise NotFoundError(
            "the file of rules cannot be read",
            expected="a YAML file, e.g. conf/examples/identity-minimal.yml",
            got=error.strerror or type(error).__name__,
            where=str(file),
        ) from error


def _of_file(error: ConfigError, file: Path) -> ConfigError:
    """What the lake holds against the rules, said of the file that was tried."""
    return ConfigError(
        str(error).split("\n")[0],
        expected=error.expected,
        got=error.got,
        where=str(file),
        todo="list it under `types` in this file, or set `undeclared: accept`",
    )
