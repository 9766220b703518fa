from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.errors import NotFoundError, UsageError
from services.access import core, store
from services.access.core import UnknownKeyError
from services.database import Database, open_database

NOW, HOUR, DAY = datetime(2018, 1, 1, tzinfo=UTC), timedelta(hours=1), timedelta(days=1)
ADMIN = core.actor("root", "admin")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path)
    yield opened
    opened.close()


def make(database: Database, lifetime: timedelta | None = DAY) -> tuple[str, str]:
    """A key's token and its id."""
    with database.session() as session:
        token = store.create(session, "ann", "analyst", ADMIN, NOW, lifetime)
    return token, token.split("_")[1]


def admits(database: Database, token: str, at: datetime) -> bool:
    found = core.parts(token)
    assert found
    with database.reading() as session:
        try:
            core.admit(store.held(session, found[0]), found[1], at)
        except UnknownKeyError:
            return False
    return True


def test_the_key_stands_nowhere_in_the_database(database: Database, tmp_path: Path) -> None:
    token, _ = make(database)
    database.compact()
    secret = token.split("_", 2)[2].encode()
    assert not any(secret in path.read_bytes() for path in tmp_path.iterdir() if path.is_file())


def test_a_key_holds_for_its_lifetime(database: Database) -> None:
    token, _ = make(database)
    assert admits(database, token, NOW + DAY - timedelta(seconds=1))
    assert not admits(database, token, NOW + DAY)


def test_a_rotated_key_holds_until_the_end_of_the_overlap(database: Database) -> None:
    old, key_id = make(database)
    with database.session() as session:
        new = store.rotate(session, key_id, ADMIN, NOW, HOUR, DAY)
    assert admits(database, old, NOW + HOUR - timedelta(microseconds=1))
    assert not admits(database, old, NOW + HOUR)
    assert admits(database, new, NOW + HOUR)


def test_a_revoked_key_ends_at_once(database: Database) -> None:
    token, key_id = make(database, None)
    with database.session() as session:
        store.revoke(session, key_id, ADMIN, NOW + HOUR)
        store.revoke(session, key_id, ADMIN, NOW + DAY)
    assert admits(database, token, NOW)
    assert not admits(database, token, NOW + HOUR)


def test_a_key_that_is_over_cannot_be_replaced(database: Database) -> None:
    _, key_id = make(database)
    with pytest.raises(UsageError, match=r"over since 2018-01-02"), database.session() as session:
        store.rotate(session, key_id, ADMIN, NOW + DAY, HOUR)


def test_an_unknown_key_is_not_found(database: Database) -> None:
    with pytest.raises(NotFoundError, match="there is no key"), database.session() as session:
        store.revoke(session, "none", ADMIN, NOW)


def test_keys_that_hold_are_counted(database: Database) -> None:
    make(database)
    _, other = make(database, None)
    with database.session() as session:
        store.revoke(session, other, ADMIN, NOW + HOUR)
        counts = [store.count_holding(session, NOW + after) for after in (0 * DAY, HOUR, DAY)]
    assert counts == [2, 1, 0]


def test_each_change_of_a_key_is_noted(database: Database) -> None:
    _, key_id = make(database)
    with database.session() as session:
        store.rotate(session, key_id, ADMIN, NOW, HOUR)
        store.revoke(session, key_id, ADMIN, NOW)
        actions = [(line.actor, line.action) for line in store.audit(session, 10)]
    assert actions == [
        ("root", f"access.key.{verb}") for verb in ("revoke", "create", "rotate", "create")
    ]


def test_a_key_needs_a_name(database: Database) -> None:
    with pytest.raises(UsageError, match="a key has a name"), database.session() as session:
        store.create(session, " ", "admin", ADMIN, NOW)
