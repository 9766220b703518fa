from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest

from schemas.errors import ConflictError, NotFoundError
from services.database import METADATA, Database, open_database
from services.handovers import store
from tests.services.handovers.test_core import KEY

NOW = datetime(2017, 7, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(open_database(tmp_path)) as opened:
        yield opened


def test_the_same_request_gives_the_first_one(database: Database) -> None:
    with database.session() as session:
        first, is_new = store.request(session, KEY, "ann", NOW, needs_approval=True)
        assert (first.state, is_new) == ("requested", True)
    with database.session() as session:
        again, is_new = store.request(
            session, KEY, "bob", NOW + timedelta(1), needs_approval=False
        )
    assert not is_new
    assert again == first
    assert (again.requested_by, again.requested_at) == ("ann", NOW)


@pytest.mark.rule("CDP-8")
def test_two_requests_at_once_are_one_hand_over(database: Database) -> None:
    made = []

    def ask() -> None:
        with database.session() as session:
            made.append(store.request(session, KEY, "ann", NOW, needs_approval=False))

    threads = [Thread(target=ask) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(is_new for _, is_new in made) == [False] * 5 + [True]
    with database.reading() as session:
        assert len(store.every(session)) == 1


def test_nobody_moves_what_somebody_else_has_moved(database: Database) -> None:
    with database.session() as session:
        seen, _ = store.request(session, KEY, "ann", NOW, needs_approval=True)
        store.move(session, seen, "approved", decided_by="bob", decided_at=NOW)
    with pytest.raises(ConflictError, match="has been moved by somebody else"), \
            database.session() as session:
        store.move(session, seen, "refused", decided_by="eve", decided_at=NOW)
    with database.reading() as session:
        assert store.find(session, seen.handover_id).decided_by == "bob"


def test_what_a_destination_was_given_last_is_known(database: Database) -> None:
    with database.session() as session:
        assert store.last_delivered(session, "x", "ads") is None
        one, _ = store.request(session, KEY, "ann", NOW, needs_approval=False)
        one = store.move(session, one, "delivering", is_attempt=True)
        assert store.last_delivered(session, "x", "ads") is None
        done = store.move(
            session, one, "delivered", version="2017-06-30-abc", delivered_at=NOW, rows=3
        )
        assert store.last_delivered(session, "x", "ads") == done
        assert (done.attempts, done.version) == (1, "2017-06-30-abc")
        assert store.last_delivered(session, "x", "outbox") is None


def test_what_is_not_there_is_told(database: Database) -> None:
    with database.reading() as session, pytest.raises(NotFoundError, match="no such hand-over"):
        store.find(session, "h0")


def test_the_migration_makes_the_tables_that_are_declared(database: Database) -> None:
    from sqlalchemy import inspect

    table = METADATA.tables["handovers_handovers"]
    found = {one["name"]: one for one in inspect(database.engine).get_columns(table.name)}
    assert {c.name: c.nullable for c in table.columns} == {
        name: one["nullable"] for name, one in found.items()
    }
