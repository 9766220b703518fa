"""``guiyi access``: the keys of the API, and who did what with them."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from jobs import show
from jobs.show import DataOption, Format, FormatOption
from lake.store import open_lake
from services.access import core
from services.access.core import Actor

if TYPE_CHECKING:
    from services.database import Database

app = typer.Typer(help="Keys of the API, and who did what.", no_args_is_help=True)
keys = typer.Typer(help="Keys: shown once, kept as a hash.", no_args_is_help=True)
app.add_typer(keys, name="key")

KeyId = Annotated[str, typer.Argument(help="The part of the key between its underscores.")]
Days = Annotated[int, typer.Option("--days", min=1, max=3650, help="Days until it ends.")]


@contextmanager
def _database(data: str | None) -> Iterator[Database]:
    from services.database import open_database

    database = open_database(open_lake(data).root)
    try:
        yield database
    finally:
        database.close()


def operator() -> Actor:
    """Who sits at the command line: who can read the lake's files may do everything."""
    return core.actor(f"{getpass.getuser()} at the command line", "admin")


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who will bear it: a person or a program.")],
    role: Annotated[str, typer.Option("--role", help="admin, analyst, marketer or service.")],
    days: Days = 365,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Make a key; it is shown now and never again."""
    from services.access import store

    lifetime = timedelta(days=days)
    with _database(data) as database, database.session() as session:
        now = datetime.now(UTC)
        token = store.create(session, name, core.role_of(role), operator(), now, lifetime)
    _show_token(token, form)


@keys.command("list")
def listed(data: DataOption = None, form: FormatOption = Format.TEXT) -> None:
    """All keys: whose, of which role, until when."""
    from services.access import store

    with _database(data) as database, database.reading() as session:
        found = [
            {"key": key.key_id, "name": key.name, "role": key.role, "created_at": key.created_at,
             "created_by": key.created_by, "expires_at": key.expires_at,
             "revoked_at": key.revoked_at}
            for key in store.keys(session)
        ]
    show.rows("keys", found, form)


@keys.command("rotate")
def rotate(
    key: KeyId,
    overlap_hours: Annotated[
        int, typer.Option("--overlap-hours", min=0, help="How long the old key holds beside it.")
    ] = 24,
    days: Days = 365,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Make a key in place of another, which ends after the overlap."""
    from services.access import store

    overlap, lifetime = timedelta(hours=overlap_hours), timedelta(days=days)
    with _database(data) as database, database.session() as session:
        now = datetime.now(UTC)
        token = store.rotate(session, key, operator(), now, overlap, lifetime)
    _show_token(token, form)


@keys.command("revoke")
def revoke(key: KeyId, data: DataOption = None, form: FormatOption = Format.TEXT) -> None:
    """End a key at once."""
    from services.access import store

    with _database(data) as database, database.session() as session:
        store.revoke(session, key, operator(), datetime.now(UTC))
    show.answer({"revoked": key}, form, f"{key} is revoked")


@app.command("audit")
def audit(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Newest lines to show.")] = 50,
    actor: Annotated[str | None, typer.Option(help="Only what this one did.")] = None,
    data: DataOption = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """Who did what, and who was refused, newest first."""
    from services.access import store

    with _database(data) as database, database.reading() as session:
        found = [
            {"at": f"{line.at:%Y-%m-%d %H:%M:%S}Z", "actor": line.actor, "role": line.role,
             "action": line.action, "what": line.what, "outcome": line.outcome}
            for line in store.audit(session, limit, actor)
        ]
    show.rows("lines", found, form)


def _show_token(token: str, form: Format) -> None:
    show.answer({"key": token}, form, f"{token}\nThis is shown once: keep it where secrets are.")
