from __future__ import annotations

import importlib
import pkgutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, select, text
from sqlalchemy.exc import DBAPIError

import services
from schemas.errors import ConfigError, StorageError
from services.access import core
from services.access.store import Note, note
from services.database import METADATA, Database, open_database
from services.migrations.upgrade import history
from tests.services import postgres

NOW = datetime(2018, 1, 1, 12, tzinfo=timezone(timedelta(hours=8)))
ADMIN = core.actor("ann", "admin")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres.running() as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = request.getfixturevalue("server") if request.param == "postgresql" else None
    opened = open_database(tmp_path, url)
    yield opened
    opened.close()


def test_models_and_migrations_agree(database: Database) -> None:
    for found in pkgutil.walk_packages(services.__path__, "services."):
        if found.name.endswith(".store"):
            importlib.import_module(found.name)
    with database.engine.connect() as connection:
        options = {"compare_type": True}
        differences = compare_metadata(
            MigrationContext.configure(connection, opts=options), METADATA
        )
    assert differences == []


def test_the_history_is_one_line() -> None:
    assert len(history().get_heads()) == 1
    assert len(history().get_bases()) == 1


def test_a_table_bears_the_name_of_its_adapter(database: Database) -> None:
    adapters = {name.name for name in pkgutil.iter_modules(services.__path__) if name.ispkg}
    tables = inspect(database.engine).get_table_names()
    assert {name.split("_")[0] for name in tables} - {"alembic"} <= adapters


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    with_note = open_database(tmp_path)
    with with_note.session() as session:
        note(session, ADMIN, "does", "something", NOW)
    with_note.close()
    again = open_database(tmp_path)
    with again.reading() as session:
        assert session.scalars(select(Note.what)).all() == ["something"]
    again.close()


@pytest.mark.slow
def test_two_processes_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from services.database import open_database; "
        "open_database(pathlib.Path(sys.argv[1])).close()"
    )
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, str(tmp_path)], stderr=subprocess.PIPE
        )
        for _ in range(2)
    ]
    assert [(one.communicate()[1], one.returncode) for one in started] == [(b"", 0)] * 2


def test_an_error_rolls_back_what_the_session_wrote(database: Database) -> None:
    def fails() -> None:
        with database.session() as session:
            note(session, ADMIN, "does", "half a thing", NOW)
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    with database.reading() as session:
        assert "half a thing" not in session.scalars(select(Note.what)).all()


def test_a_moment_comes_back_in_utc_as_it_was_given(database: Database) -> None:
    with database.session() as session:
        note(session, ADMIN, "does", "at noon", NOW)
    with database.reading() as session:
        (at,) = session.scalars(select(Note.at).where(Note.what == "at noon"))
    assert at == NOW
    assert at.tzinfo is UTC


@pytest.mark.parametrize("change", ["UPDATE access_audit SET actor = 'bob'",
                                    "DELETE FROM access_audit"])
def test_the_audit_log_only_grows(database: Database, change: str) -> None:
    with database.session() as session:
        note(session, ADMIN, "does", "something", NOW)
    with pytest.raises(DBAPIError, match="the audit log only grows"), database.session() as session:
        session.execute(text(change))


def test_nothing_deleted_is_left_in_the_files(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    with database.session() as session:
        session.execute(text("CREATE TABLE kept (word TEXT)"))
        session.execute(text("INSERT INTO kept VALUES ('unmistakable')"))
    with database.session() as session:
        session.execute(text("DELETE FROM kept"))
    database.compact()
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"unmistakable" in content for content in files)
    database.close()


def test_a_database_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    open_database(tmp_path).close()
    with sqlite3.connect(tmp_path / "services.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(StorageError, match=r"of another program version(.|\n)*9999"):
        open_database(tmp_path)


def test_a_url_that_is_none_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected: sqlite:///FILE or postgresql"):
        open_database(tmp_path, "no url")


def test_a_database_that_does_not_answer_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        open_database(tmp_path, "postgresql://secret@127.0.0.1:1/none?connect_timeout=1")


def test_a_database_that_fails_is_told_with_its_place(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    with pytest.raises(StorageError, match="no such table: nobody") as told, (
        database.reading()
    ) as session:
        session.execute(text("SELECT * FROM nobody"))
    assert "services.db" in told.value.where
    database.close()
