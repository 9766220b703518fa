from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from schemas.audiences import Audience, Condition
from schemas.errors import ConflictError, NotFoundError
from services.access import core
from services.access.store import audit
from services.audiences import store
from services.audiences.core import StaleError
from services.database import Database, open_database

NOW, HOUR = datetime(2018, 1, 1, tzinfo=UTC), timedelta(hours=1)
ANN, BOB = core.actor("ann", "analyst"), core.actor("bob", "analyst")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(tmp_path)
    yield opened
    opened.close()


def of(city: str, name: str = "citizens", label: str = "Citizens") -> Audience:
    query = Condition(field="city", operator="=", value=city)
    return Audience(name=name, label=label, query=query)


def put(
    database: Database, audience: Audience, version: str, at: datetime = NOW, *,
    expected: int | None = None, key: str | None = None, by: core.Actor = ANN,
) -> tuple[str, int]:
    """What was done, and the number now in force."""
    with database.session() as session:
        kept = store.put(
            session, audience, version, by, at, expected=expected, idempotency_key=key
        )
    return kept.change, kept.stored.number


def test_the_same_again_adds_no_version(database: Database) -> None:
    assert put(database, of("北京"), "v1") == ("created", 1)
    assert put(database, of("北京"), "v1", NOW + HOUR) == ("same", 1)


def test_another_tree_or_another_label_is_a_new_version(database: Database) -> None:
    put(database, of("北京"), "v1")
    assert put(database, of("上海"), "v2") == ("changed", 2)
    assert put(database, of("上海", label="Others"), "v2") == ("changed", 3)


def test_a_version_that_comes_back_is_in_force_again(database: Database) -> None:
    for number, (city, version) in enumerate([("北京", "v1"), ("上海", "v2"), ("北京", "v1")], 1):
        assert put(database, of(city), version)[1] == number
    with database.reading() as session:
        assert [one.version for one in store.history(session, "citizens")] == ["v1", "v2", "v1"]
        assert store.newest(session, "citizens").audience == of("北京")


def test_a_version_keeps_author_time_and_definition(database: Database) -> None:
    put(database, of("北京"), "v1")
    put(database, of("上海"), "v2", NOW + HOUR, by=BOB)
    with database.reading() as session:
        first, second = store.history(session, "citizens")
    assert (first.audience, first.created_by, first.created_at) == (of("北京"), "ann", NOW)
    assert (second.audience, second.created_by) == (of("上海"), "bob")


def test_a_release_takes_the_versions_kept_before_its_cut(database: Database) -> None:
    put(database, of("北京"), "v1")
    put(database, of("上海"), "v2", NOW + HOUR)
    put(database, of("杭州", "others"), "v3", NOW + HOUR)
    with database.reading() as session:
        at = [store.in_force(session, NOW + after * HOUR) for after in (0, 1, 2)]
    assert at == [[], [of("北京")], [of("上海"), of("杭州", "others")]]


def test_a_change_of_what_somebody_else_changed_is_refused(database: Database) -> None:
    put(database, of("北京"), "v1", expected=0)
    put(database, of("上海"), "v2", expected=1)
    with pytest.raises(StaleError, match=r"version 1(.|\n)*version 2"):
        put(database, of("杭州"), "v3", expected=1)


def test_a_repeated_key_gives_the_version_that_it_made(database: Database) -> None:
    put(database, of("北京"), "v1", key="k")
    put(database, of("上海"), "v2")
    assert put(database, of("北京"), "v1", key="k") == ("same", 1)
    assert put(database, of("北京"), "v1", key="k", by=BOB) == ("changed", 3)
    with pytest.raises(ConflictError, match="came before with another audience"):
        put(database, of("杭州"), "v3", key="k")


def test_who_made_and_changed_what_is_noted(database: Database) -> None:
    put(database, of("北京"), "v1")
    put(database, of("北京"), "v1")
    put(database, of("上海"), "v2", by=BOB)
    with database.reading() as session:
        lines = [(line.actor, line.action, line.what) for line in audit(session, 9)]
    assert lines == [
        ("bob", "audiences.changed", "citizens 2 v2"), ("ann", "audiences.created", "citizens 1 v1")
    ]


def test_an_unknown_audience_is_not_found(database: Database) -> None:
    with database.reading() as session:
        for ask in (store.newest, store.history):
            with pytest.raises(NotFoundError, match="there is no audience 'none'"):
                ask(session, "none")
