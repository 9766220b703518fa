"""The services' one SQL database: SQLite beside the lake, or PostgreSQL by URL.

Each adapter declares its tables on ``METADATA`` under its own prefix; the history of all tables is
one, in ``services/migrations``, and opening the database brings it to the newest revision.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    DateTime,
    Dialect,
    Engine,
    MetaData,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import (
    ArgumentError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.orm import DeclarativeBase, Session
from sqlalchemy.types import TypeDecorator

from schemas.errors import ConfigError, GuiyiError, StorageError
from services.migrations import upgrade

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
BUSY_MS = 30_000


class Row(DeclarativeBase):
    """Base of every table's class."""

    metadata = METADATA


class Instant(TypeDecorator[datetime]):
    """A moment: an aware time in, UTC out, on databases that keep no zone as well."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """The moment in UTC; a time without a zone is a mistake of the caller's."""
        if value is None:
            return None
        assert value.tzinfo is not None, f"{value} has no zone"
        at = value.astimezone(UTC)
        return at.replace(tzinfo=None) if dialect.name == "sqlite" else at

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """The moment as it was given, in UTC."""
        if value is None:
            return None
        at: datetime = value
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Database:
    """The open database; see ``open_database``."""

    engine: Engine

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session that may write: it commits at the end and rolls back on an error.

        On SQLite it is the only writer from its first statement on; others wait. StorageError when
        the database fails.
        """
        with (
            _told(self.engine),
            Session(self.engine, expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads, beside any writer."""
        engine = self.engine.execution_options(is_reading=True)
        with _told(self.engine), Session(engine, expire_on_commit=False) as session:
            yield session

    def compact(self) -> None:
        """Rewrite the files, so that no byte of a deleted row is left in them."""
        if self.engine.dialect.name == "sqlite":
            with self.engine.execution_options(is_bare=True).connect() as connection:
                connection.execute(text("VACUUM"))
                connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
            return
        with self.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("VACUUM FULL"))

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def open_database(root: Path, url: str | None = None) -> Database:
    """The services' database, its tables at the newest revision.

    ``url`` (default: ``GUIYI_DATABASE``, else the file ``services.db`` below ``root``) is one of
    SQLAlchemy's. ConfigError for a URL that cannot be used, StorageError for a database that
    cannot be opened or is newer than this program.
    """
    given = url or os.environ.get("GUIYI_DATABASE") or f"sqlite:///{root / 'services.db'}"
    engine = _engine(given)
    try:
        upgrade.to_head(engine)
    except GuiyiError:
        engine.dispose()
        raise
    except SQLAlchemyError as error:
        engine.dispose()
        raise StorageError(
            "the services' database cannot be opened", expected="a database that answers",
            got=str(error).split("\n")[0], where=_shown(engine), todo="see GUIYI_DATABASE",
        ) from error
    return Database(engine)


def _engine(given: str) -> Engine:
    try:
        url = make_url(given)
        if url.get_backend_name() == "postgresql" and "+" not in url.drivername:
            url = url.set(drivername="postgresql+psycopg")
        engine = create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise ConfigError(
            "this database cannot be used", expected="sqlite:///FILE or postgresql://HOST/NAME",
            got=str(error).split("\n")[0], where="GUIYI_DATABASE",
            todo="for PostgreSQL install the extra `postgres`",
        ) from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: Any, _record: Any) -> None:
    """Readers beside one writer, foreign keys held, freed pages overwritten, waits in seconds."""
    # The driver would open transactions by itself, deferred, and leave table changes outside.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout = {BUSY_MS}", "journal_mode = WAL", "synchronous = FULL",
        "foreign_keys = ON", "secure_delete = ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    """A writer takes its lock at once: a reader that turns writer later could only fail."""
    options = connection.get_execution_options()
    if not options.get("is_bare"):
        connection.exec_driver_sql("BEGIN" if options.get("is_reading") else "BEGIN IMMEDIATE")


@contextmanager
def _told(engine: Engine) -> Iterator[None]:
    """A database that does not answer, or lacks what it should have, is told as such."""
    try:
        yield
    except OperationalError as error:
        raise StorageError(
            "the services' database failed", expected="room on the disk, and its own tables",
            got=str(error.orig), where=_shown(engine),
            todo="free some disk space or mend the database, then run again",
        ) from error


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
