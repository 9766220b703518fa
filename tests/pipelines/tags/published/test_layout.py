"""Sparse tags lie in rows, and every reader finds them as columns."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyroaring import BitMap

from lake import snapshots
from lake.store import Lake, open_lake
from pipelines.tags.published import (
    TagBitmaps,
    layout,
    publish_description,
    put_values,
    show_whole,
    sparse_on,
    version_on,
)
from pipelines.tags.published.reader import SNAPSHOT
from schemas.tag_bounds import TagBounds
from tests import tiny

NEXT = tiny.DAY + timedelta(1)
VALUES = {
    "boolean": "true", "integer": "i - 7", "number": "i / 4", "text": "'it''s ' || i",
    "date": "DATE '2017-01-01' + i::INT", "texts": "['a', 'b' || i]",
}
TAGS = [
    *(tiny.tag(f"rare_{kind}", type=kind, sql="SELECT 1") for kind in VALUES),
    tiny.tag("city", type="text", sql="SELECT 1"),
]
OFTEN = TagBounds(known=1, distance=1, min_persons=0)


def query(day: date, persons: int, rare: int) -> str:
    columns = [
        f"CASE WHEN i < {rare} THEN {value} END AS rare_{kind}" for kind, value in VALUES.items()
    ]
    return (
        f"SELECT DATE '{day}' AS business_date, 'p' || i AS one_id, i AS person_no, "
        f"{', '.join(columns)}, '北京' AS city FROM range({persons}) r(i)"
    )


def publish(root: Path, day: date, rare: int) -> Lake:
    lake = open_lake(root, create=True)
    with tiny.tiny_draft(root, day) as draft, snapshots.writing(lake.snapshots, SNAPSHOT) as kept:
        assert put_values(draft, TAGS, query(day, 100, rare)) == 100
        whole = draft.session.rows("SELECT count(*), count(rare_text), count(city) FROM tag_values")
        assert whole[-1][0] == 100 * len({f.d for f in draft.files("tag_values")})
        publish_description(draft, TAGS, OFTEN, kept)
        draft.publish("r", "i", "c", lambda: tiny.LONG_AGO)
    return lake


def values(session: Any, day: date) -> list[tuple[Any, ...]]:
    names = ", ".join(tag.name for tag in TAGS)
    rows: list[tuple[Any, ...]] = session.rows(
        f"SELECT one_id, {names} FROM tag_values WHERE business_date = DATE '{day}' ORDER BY ALL"
    )
    return rows


def test_few_tags_are_all_columns(tmp_path: Path) -> None:
    publish(tmp_path, tiny.DAY, 2)
    with publish(tmp_path, NEXT, 2).reader() as session:
        assert session.rows("SELECT count(*) FROM tag_values_sparse") == [(0,)]
        assert sparse_on(session) == {}
        show_whole(session, {})
        assert len(values(session, NEXT)) == 100


@pytest.mark.parametrize("names", [None, {"rare_text", "city"}])
def test_of_many_tags_the_sparse_lie_in_rows_and_are_shown_as_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: set[str] | None
) -> None:
    monkeypatch.setattr(layout, "MANY_TAGS", 5)
    publish(tmp_path, tiny.DAY, 2)
    lake = publish(tmp_path, NEXT, 2)
    with lake.reader() as session:
        assert session.rows("SELECT count(*) FROM tag_values_sparse") == [(12,)]
        assert set(sparse_on(session)) == {tag.name for tag in TAGS} - {"city"}
        show_whole(session, sparse_on(session))
        plain = [row[1:] for row in values(session, tiny.DAY)]
        assert [row[1:] for row in values(session, NEXT)] == plain
        show_whole(session, sparse_on(session), names)
        (counted,) = session.rows(
            f"SELECT count(*), count(rare_text) FROM tag_values WHERE business_date = '{NEXT}'"
        )
        assert counted == (100, 2)
        held = TagBitmaps.open(lake.snapshots, version_on(session, NEXT))
    assert held.where("rare_integer", "=", -6) == BitMap([1])
    assert held.where("rare_texts", "=", "a") == held.known("rare_date") == BitMap([0, 1])


def test_a_sparse_tag_that_many_get_returns_to_the_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout, "MANY_TAGS", 5)
    for number, rare in enumerate([2, 50, 50]):
        lake = publish(tmp_path, tiny.DAY + timedelta(number), rare)
    with lake.reader() as session:
        rows = session.rows(
            "SELECT business_date, count(*) FROM tag_values_sparse GROUP BY ALL"
        )
        assert rows == [(NEXT, 300)]
        show_whole(session, sparse_on(session))
        assert len([row for row in values(session, NEXT) if row[2] is not None]) == 50
