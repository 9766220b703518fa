"""Brings a database to the newest revision, whoever else is about to do the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, text

from lake import locks
from schemas.errors import StorageError

WAIT_S = 60.0
# Any number that no other program of the same database uses.
_LOCK = 7_130_246_811


def history() -> ScriptDirectory:
    """The revisions that this program knows."""
    return ScriptDirectory(str(Path(__file__).parent))


def to_head(engine: Engine) -> None:
    """Apply the revisions that are missing, all in one transaction; one process at a time.

    StorageError when the database has a revision that this program does not know.
    """
    if engine.dialect.name != "sqlite" or engine.url.database in (None, "", ":memory:"):
        _upgrade(engine)
        return
    file = Path(str(engine.url.database))
    with locks.exclusive(file.parent / "locks", file.name, WAIT_S):
        _upgrade(engine)


def _upgrade(engine: Engine) -> None:
    script = history()
    with engine.execution_options(is_reading=True).connect() as connection:
        if _current(connection) == set(script.get_heads()):
            return
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
        _apply(connection, script)


def _current(connection: Connection) -> set[str]:
    return set(MigrationContext.configure(connection).get_current_heads())


def _apply(connection: Connection, script: ScriptDirectory) -> None:
    def missing(revision: Any, _context: MigrationContext) -> list[Any]:
        return script._upgrade_revs("heads", revision)

    try:
        with EnvironmentContext(Config(), script, fn=missing) as environment:
            environment.configure(connection=connection, transactional_ddl=True)
            environment.run_migrations()
    except CommandError as error:
        raise StorageError(
            "the services' database is of another program version",
            expected=f"a revision up to {max(script.get_heads())}", got=str(error),
            where=connection.engine.url.render_as_string(hide_password=True),
            todo="use the program that wrote it, or a newer one",
        ) from error
