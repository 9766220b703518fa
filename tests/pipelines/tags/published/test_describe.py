"""What goes with tag values: bitmaps that answer as SQL does, coverage, and the gate."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyroaring import BitMap

from lake import conf, retention, snapshots
from lake.draft import Draft
from lake.store import Lake, open_lake
from pipelines.tags.published import TagBitmaps, publish_description, version_on
from pipelines.tags.published.reader import SNAPSHOT
from pipelines.tags.vocabulary import tag_values_table
from schemas.errors import NotFoundError, QualityError, StorageError, UsageError
from schemas.tag_bounds import TagBounds
from schemas.tag_definitions import Tag
from tests import tiny

TAGS = [
    tiny.tag("city", type="text", from_="events", measure="last", field="city", window="ever"),
    tiny.tag("orders", from_="events", measure="count", window="ever"),
    tiny.tag("is_new", type="boolean", of="orders", condition={"operator": "<", "value": 5}),
]
BOUNDS = TagBounds(known=0.1, distance=0.25, min_persons=10)
ORDERS = "CASE WHEN i % 3 > 0 THEN i - 20 END"


def put_values(draft: Draft, cities: str, persons: int = 100, tags: Any = TAGS) -> None:
    names = ", ".join(f"{sql} AS {tag.name}" for tag, sql in zip(
        tags, (cities, ORDERS, "i % 2 = 0"), strict=False))
    draft.replace_dates(
        "tag_values", [draft.business_date],
        f"SELECT DATE '{draft.business_date}' AS business_date, 'p' || i AS one_id, "
        f"i * 2 AS person_no, {names} FROM range({persons}) r(i)",
        table=tag_values_table(tags),
    )


def publish(
    root: Path, day: date, cities: str, bounds: TagBounds = BOUNDS, tags: Any = TAGS,
    persons: int = 100,
) -> Lake:
    lake = open_lake(root, create=True)
    with tiny.tiny_draft(root, day) as draft:
        put_values(draft, cities, persons, tags)
        with snapshots.writing(lake.snapshots, SNAPSHOT) as kept:
            publish_description(draft, tags, bounds, kept)
        draft.publish("r", "i", "c", lambda: tiny.LONG_AGO)
    return lake


HALVES = "CASE WHEN i < 50 THEN '北京' ELSE '上海' END"


def read(lake: Lake, day: date = tiny.DAY) -> TagBitmaps:
    with lake.reader() as session:
        return TagBitmaps.open(lake.snapshots, version_on(session, day))


def test_bitmaps_choose_whom_sql_chooses(tmp_path: Path) -> None:
    lake = publish(tmp_path, tiny.DAY, HALVES)
    held = read(lake)
    with lake.reader() as session:
        for tag, operator, value, sql in (
            ("city", "=", "北京", "city = '北京'"), ("orders", "<=", 7, "orders <= 7"),
            ("orders", "between", [-5, 40], "orders BETWEEN -5 AND 40"),
            ("orders", "notIn", [1, 2], "orders NOT IN (1, 2)"),
            ("is_new", "!=", True, "is_new <> true"), ("orders", "null", None, "orders IS NULL"),
            ("orders", "notNull", None, "orders IS NOT NULL"),
            ("city", "null", None, "city IS NULL"),
        ):
            rows = session.rows(f"SELECT person_no FROM tag_values WHERE {sql}")
            members = BitMap(int(str(n)) for (n,) in rows)
            assert held.where(tag, operator, value) == members  # type: ignore[arg-type]
        assert held.everyone() == BitMap(range(0, 200, 2))
        with pytest.raises(UsageError, match="no operator 'like'(.|\n)*notBetween"):
            held.where("orders", "like", 1)  # type: ignore[arg-type]
        assert len(held.known("orders")) == 66
    assert held.names == ["city", "is_new", "orders"]


def test_a_release_names_its_bitmaps_as_it_names_its_tables(tmp_path: Path) -> None:
    later = tiny.DAY + timedelta(1)
    publish(tmp_path, tiny.DAY, HALVES)
    lake = publish(tmp_path, later, "CASE WHEN i < 51 THEN '北京' ELSE '上海' END")
    assert len(read(lake).where("city", "=", "北京")) == 50
    assert len(read(lake, later).where("city", "=", "北京")) == 51
    with lake.reader(1) as session, pytest.raises(NotFoundError, match=str(later)):
        version_on(session, later)


def test_a_vacuum_keeps_the_bitmaps_that_a_kept_release_names(tmp_path: Path) -> None:
    publish(tmp_path, tiny.DAY, HALVES)
    lake = publish(tmp_path, tiny.DAY + timedelta(1), HALVES, persons=101)
    stray = snapshots.keep(lake.snapshots, SNAPSHOT, {"a": b"1"})
    assert retention.vacuum_bitmaps(lake.snapshots, lake.releases(), keep=1) == 1
    assert not (lake.snapshots / SNAPSHOT / stray).exists()
    assert len(read(lake).everyone()) == 100
    assert len(read(lake, tiny.DAY + timedelta(1)).everyone()) == 101


def test_the_same_values_are_the_same_snapshot(tmp_path: Path) -> None:
    versions = []
    for name in ("a", "b"):
        with publish(tmp_path / name, tiny.DAY, HALVES).reader() as session:
            versions.append(version_on(session, tiny.DAY))
    assert versions[0] == versions[1]


def test_coverage_says_what_is_known_and_what_moved(tmp_path: Path) -> None:
    later = tiny.DAY + timedelta(1)
    publish(tmp_path, tiny.DAY, HALVES)
    lake = publish(tmp_path, later, "CASE WHEN i < 40 THEN '北京' WHEN i < 96 THEN '上海' END")
    with lake.reader() as session:
        rows = session.rows(
            "SELECT tag, count_known, share_known, count_values, previous_date, "
            "share_known_change, distance FROM tag_coverage ORDER BY business_date, tag"
        )
    assert rows[:3] == [
        ("city", 100, 1.0, 2, None, None, None), ("is_new", 100, 1.0, 2, None, None, None),
        ("orders", 66, 0.66, 66, None, None, None),
    ]
    assert rows[3] == ("city", 96, 0.96, 2, tiny.DAY, -0.04, 0.083333)
    assert rows[4][4:] == rows[5][4:] == (tiny.DAY, 0.0, 0.0)


@pytest.mark.rule("CDP-6")
def test_a_jump_beyond_bounds_stops_the_release_and_says_what_moved(tmp_path: Path) -> None:
    later = tiny.DAY + timedelta(1)
    lake = publish(tmp_path, tiny.DAY, HALVES)
    kept = sorted(path.name for path in (lake.snapshots / SNAPSHOT).iterdir())
    with pytest.raises(QualityError, match=r"city: 50\.0% of the known .* 上海 50\.0% → 0\.0%"):
        publish(tmp_path, later, "'北京'")
    assert len(lake.releases()) == 1
    assert sorted(path.name for path in (lake.snapshots / SNAPSHOT).iterdir()) == kept


def test_a_first_day_a_new_tag_and_a_renamed_one_are_no_jumps(tmp_path: Path) -> None:
    publish(tmp_path, tiny.DAY, HALVES, tags=TAGS[:1])
    fresh = [tiny.tag("town", type="text", from_="events", measure="last", field="city",
                      window="ever", formerly=["city"]), *TAGS[1:]]
    lake = publish(tmp_path, tiny.DAY + timedelta(1), HALVES, tags=fresh)
    with lake.reader() as session:
        rows = session.rows(
            f"SELECT tag, distance FROM tag_coverage WHERE business_date > DATE '{tiny.DAY}' "
            "ORDER BY tag"
        )
    assert rows == [("is_new", None), ("orders", None), ("town", 0.0)]


def test_nobody_at_all_can_be_described(tmp_path: Path) -> None:
    lake = open_lake(tmp_path, create=True)
    with tiny.tiny_draft(tmp_path) as draft:
        put_values(draft, HALVES, persons=0)
        with snapshots.writing(lake.snapshots, SNAPSHOT) as kept:
            version = publish_description(draft, TAGS, BOUNDS, kept)
    held = TagBitmaps.open(lake.snapshots, version)
    assert held.everyone() == held.where("orders", ">", 0) == BitMap()


def test_a_tag_without_bitmaps_and_a_flipped_byte_are_told(tmp_path: Path) -> None:
    lake = publish(tmp_path, tiny.DAY, HALVES)
    with pytest.raises(NotFoundError, match="one of city, is_new, orders"):
        read(lake).where("gender", "=", "female")
    (path,) = (lake.snapshots / SNAPSHOT).glob("*/tag.city")
    content = bytearray(path.read_bytes())
    content[10] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(StorageError, match="a pack is damaged"):
        read(lake).tag("city").known()


def test_the_packaged_bounds_are_a_definition() -> None:
    (bounds,) = conf.load("tag_bounds.yml", TagBounds)
    assert 0 < bounds.known < 1
    assert 0 < bounds.distance < 1
    assert bounds.of("city") == (bounds.known, bounds.distance)


def test_a_column_is_read_in_parts_when_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.tags.published.describe._CELLS", 100)
    tags: list[Tag] = TAGS
    assert read(publish(tmp_path, tiny.DAY, HALVES, tags=tags)).names == [
        "city", "is_new", "orders"
    ]
