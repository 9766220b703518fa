from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable

from lake import retention, tables
from lake.draft import Draft
from lake.releases import Release
from lake.store import Lake, open_lake
from schemas import catalog
from schemas.errors import BusyError, NotFoundError, QualityError, StorageError
from schemas.table import column

DAY = date(2017, 1, 1)


def clock() -> datetime:
    return datetime(2017, 2, 1, tzinfo=UTC)


def sightings(bundle: int, day: date, count: int = 1) -> str:
    at = f"TIMESTAMPTZ '{day} 01:00:00+00'"
    return (
        f"SELECT {bundle} AS bundle_id, 's' AS source, DATE '{day}' AS business_date, "
        f"{at} AS first_at, {at} AS last_at, {count} AS count, {at} AS received_at, 'e' AS event_id"
    )


def publish(lake: Lake, day: date, write: Callable[[Draft], object]) -> Release:
    with lake.draft(day, datetime(day.year, day.month, day.day, 19, tzinfo=UTC)) as draft:
        write(draft)
        return draft.publish("run", "inputs", "rules", clock)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return open_lake(tmp_path, create=True)


def counts(lake: Lake, as_of: date | int | None = None) -> list[tuple[object, ...]]:
    with lake.reader(as_of) as session:
        return session.rows("SELECT bundle_id, count FROM sightings ORDER BY ALL")


def test_a_release_shows_what_the_draft_wrote_and_keeps_the_past(lake: Lake) -> None:
    publish(lake, DAY, lambda d: d.append("sightings", sightings(1, DAY)))
    publish(lake, DAY + timedelta(1), lambda d: d.append("sightings", sightings(2, DAY)))
    assert counts(lake) == [(1, 1), (2, 1)]
    assert counts(lake, DAY) == [(1, 1)]
    assert counts(lake, 1) == [(1, 1)]


def test_a_draft_reads_its_own_writing_before_anybody_else_does(lake: Lake) -> None:
    publish(lake, DAY, lambda d: d.append("sightings", sightings(1, DAY)))
    with lake.draft(DAY, clock()) as draft:
        draft.append("sightings", sightings(2, DAY))
        assert draft.session.rows("SELECT count(*) FROM sightings") == [(2,)]
        assert counts(lake) == [(1, 1)]
    assert counts(lake) == [(1, 1)], "a draft that is not published leaves no trace"


def test_replacing_a_partition_spares_the_others(lake: Lake) -> None:
    both = f"{sightings(1, DAY)} UNION ALL {sightings(2, DAY + timedelta(1))}"
    publish(lake, DAY, lambda d: d.append("sightings", both))
    fresh = sightings(3, DAY)
    publish(lake, DAY, lambda d: d.replace_dates("sightings", [DAY], fresh))
    assert counts(lake) == [(2, 1), (3, 1)]


def test_replacing_by_nothing_empties_the_partition(lake: Lake) -> None:
    publish(lake, DAY, lambda d: d.append("sightings", sightings(1, DAY)))
    none = sightings(3, DAY) + " WHERE false"
    publish(lake, DAY, lambda d: d.replace_dates("sightings", [DAY], none))
    assert counts(lake) == []


def product(name: str) -> str:
    return (
        f"SELECT 'p' AS product_id, NULL AS department, NULL AS category, '{name}' AS name, "
        "TIMESTAMPTZ '2017-01-01 00:00:00+00' AS received_at"
    )


def test_a_snapshot_is_replaced_whole(lake: Lake) -> None:
    publish(lake, DAY, lambda d: d.replace("products", product("old")))
    publish(lake, DAY, lambda d: d.replace("products", product("new")))
    with lake.reader() as session:
        assert session.rows("SELECT name FROM products") == [("new",)]


def test_a_broken_contract_publishes_nothing_and_names_what_broke(lake: Lake) -> None:
    publish(lake, DAY, lambda d: d.append("sightings", sightings(1, DAY)))
    with pytest.raises(QualityError, match="count_is_positive: 1 rows") as caught:
        publish(lake, DAY, lambda d: d.append("sightings", sightings(2, DAY, count=0)))
    assert caught.value.exit_code == 3
    with pytest.raises(QualityError, match="key_is_unique"):
        publish(lake, DAY, lambda d: d.append("sightings", sightings(1, DAY)))
    assert counts(lake) == [(1, 1)]
    assert len(lake.releases()) == 1


def test_versions_that_no_release_names_are_taken_back_by_the_next_draft(lake: Lake) -> None:
    publish(lake, DAY, lambda d: d.append("sightings", sightings(1, DAY)))
    stray = lake.tables / "sightings"
    with lake.draft(DAY, clock()) as draft:
        draft.append("sightings", sightings(9, DAY))
        added = [f for f in draft.files("sightings") if f not in lake.release().files("sightings")]
    tables.commit(stray, catalog.table("sightings"), added)
    assert counts(lake) == [(1, 1)]
    publish(lake, DAY, lambda d: d.append("sightings", sightings(2, DAY)))
    assert counts(lake) == [(1, 1), (2, 1)]


def test_only_one_draft_is_open_at_a_time(lake: Lake) -> None:
    with lake.draft(DAY, clock()), pytest.raises(BusyError), lake.draft(DAY, clock()):
        pass


def test_two_commits_from_the_same_version_conflict(lake: Lake, tmp_path: Path) -> None:
    publish(lake, DAY, lambda d: d.append("sightings", sightings(1, DAY)))
    root, table = lake.tables / "sightings", catalog.table("sightings")
    base = tables.latest(root)
    tables.commit(root, table, [], replaced=[DAY.isoformat()], expected_version=base)
    with pytest.raises(BusyError, match="came first"):
        tables.commit(root, table, [], replaced=[DAY.isoformat()], expected_version=base)


def test_a_column_added_later_reads_as_null_in_old_rows(lake: Lake) -> None:
    publish(lake, DAY, lambda d: d.append("sightings", sightings(1, DAY)))
    old = catalog.table("sightings")
    extra = column("note", pa.string(), "a note", nullable=True)
    wider = dataclasses.replace(old, schema=old.schema.append(extra))
    with lake.draft(DAY + timedelta(1), clock()) as draft:
        query = f"SELECT *, 'n' AS note FROM ({sightings(2, DAY)})"
        draft.append("sightings", query, table=wider)
        draft.publish("run", "inputs", "rules", clock)
    with lake.reader() as session:
        rows = session.rows("SELECT bundle_id, note FROM sightings ORDER BY bundle_id")
    assert rows == [(1, None), (2, "n")]


def test_a_column_that_may_not_be_null_cannot_be_added(lake: Lake) -> None:
    publish(lake, DAY, lambda d: d.append("sightings", sightings(1, DAY)))
    old = catalog.table("sightings")
    wider = dataclasses.replace(old, schema=old.schema.append(column("note", pa.string(), "x")))
    with pytest.raises(StorageError, match="cannot gain the column note"):
        tables.create(lake.tables / "sightings", wider)


def test_vacuum_spares_what_kept_releases_name(lake: Lake) -> None:
    for number in range(4):
        publish(lake, DAY, lambda d, n=number: d.replace("products", product(str(n))))
    gone = retention.vacuum(lake.tables, lake.releases(), keep=2)
    assert gone["products"] == 2
    for number in (3, 4):
        with lake.reader(number) as session:
            assert session.rows("SELECT name FROM products") == [(str(number - 1),)]
    with pytest.raises(StorageError, match="was vacuumed"), lake.reader(1):
        pass


def test_vacuum_takes_the_files_of_a_draft_that_was_never_published(lake: Lake) -> None:
    publish(lake, DAY, lambda d: d.append("sightings", sightings(1, DAY)))
    with lake.draft(DAY, clock()) as draft:
        draft.append("sightings", sightings(2, DAY))
    assert retention.vacuum(lake.tables, lake.releases(), keep=1)["sightings"] == 1
    assert counts(lake) == [(1, 1)]


def test_readers_outside_the_project_read_a_table(lake: Lake) -> None:
    both = f"{sightings(1, DAY)} UNION ALL {sightings(2, DAY + timedelta(1))}"
    release = publish(lake, DAY, lambda d: d.append("sightings", both))
    root = str(lake.tables / "sightings")
    version = release.versions["sightings"]
    assert sorted(
        DeltaTable(root, version=version).to_pyarrow_table()["bundle_id"].to_pylist()
    ) == [1, 2]
    assert sorted(pl.read_delta(root, version=version)["bundle_id"].to_list()) == [1, 2]
    paths = [file.path for file in release.files("sightings")]
    assert sorted(ds.dataset(paths).to_table()["bundle_id"].to_pylist()) == [1, 2]


def test_a_release_that_is_not_there_is_said_with_those_that_are(lake: Lake) -> None:
    with pytest.raises(NotFoundError, match="none yet"):
        lake.release()
    publish(lake, DAY, lambda d: d.append("sightings", sightings(1, DAY)))
    with pytest.raises(NotFoundError, match=r"1 \(2017-01-01\)"):
        lake.release(date(2018, 1, 1))


def test_a_column_that_came_went_and_came_again_reads_everywhere(lake: Lake) -> None:
    old = catalog.table("sightings")
    extra = column("note", pa.string(), "a note", nullable=True)
    wider = dataclasses.replace(old, schema=old.schema.append(extra))
    for number, table in enumerate((wider, old, wider)):
        day = DAY + timedelta(number)
        with lake.draft(day, clock()) as draft:
            note = ", 'n' AS note" if table is wider else ""
            draft.append("sightings", f"SELECT *{note} FROM ({sightings(1, day)})", table=table)
            draft.publish("run", "inputs", "rules", clock)
    with lake.reader() as session:
        rows = session.rows("SELECT note FROM sightings ORDER BY business_date")
    assert rows == [("n",), (None,), ("n",)]


def test_rows_outside_the_replaced_partitions_are_refused(lake: Lake) -> None:
    stray = sightings(1, DAY + timedelta(5))
    with pytest.raises(QualityError, match="outside the partitions"):
        publish(lake, DAY, lambda d: d.replace_dates("sightings", [DAY], stray))


def test_a_version_stays_readable_after_many_commits_and_a_long_time(lake: Lake) -> None:
    publish(lake, DAY, lambda d: d.replace("products", product("first")))
    root, table = lake.tables / "products", catalog.table("products")
    for number in range(205):
        tables.commit(root, table, [], replaced=None if number % 2 else [])
        for entry in (root / "_delta_log").glob("*.json"):
            os.utime(entry, (0, 0))
    with lake.reader(1) as session:
        assert session.rows("SELECT name FROM products") == [("first",)]


def test_a_table_that_is_gone_is_said_in_our_words(lake: Lake) -> None:
    release = publish(lake, DAY, lambda d: d.replace("products", product("first")))
    with pytest.raises(StorageError, match="read at version 99"):
        tables.files(release.root / "products", 99)


def test_a_snapshot_takes_its_columns_along_and_the_past_keeps_its_own(lake: Lake) -> None:
    table = dataclasses.replace(
        catalog.table("screened"),
        schema=pa.schema([column("identifier_key", pa.int64(), "identifier")]),
        invariants=(),
    )
    publish(lake, DAY, lambda d: d.replace("screened", "SELECT 1 AS identifier_key", table=table))
    row = "SELECT 2 AS identifier_key, 't' AS type, 'hub' AS reason, 'r' AS rule, 9 count_partners"
    publish(lake, DAY + timedelta(1), lambda d: d.replace("screened", row))
    delta = DeltaTable(str(lake.tables / "screened"))
    assert [field.name for field in delta.schema().fields] == catalog.table("screened").schema.names
    with lake.reader() as session:
        assert session.rows("SELECT * FROM screened") == [(2, "t", "hub", "r", 9)]
    assert DeltaTable(str(lake.tables / "screened"), version=1).to_pyarrow_table().to_pylist() == [
        {"identifier_key": 1}
    ]
