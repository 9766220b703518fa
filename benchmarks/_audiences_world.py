"""The release of the audience benchmark: seven tags of very many persons, and their bitmaps."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from lake import snapshots
from lake.draft import Draft
from lake.store import open_lake
from pipelines.tags.published import publish_description
from pipelines.tags.published.reader import SNAPSHOT
from pipelines.tags.vocabulary import tag_values_table
from schemas.audiences import Audience
from schemas.tag_bounds import TagBounds
from schemas.tag_definitions import Tag, Type

DAY, CUT = date(2017, 6, 30), datetime(2017, 7, 1, tzinfo=UTC)
ZONE = "Asia/Shanghai"
_H = [f"hash(i + {number}000000007)" for number in range(14)]
VALUES: dict[str, tuple[Type, str]] = {
    "city": (
        "text",
        f"CASE WHEN {_H[1]} % 5 > 0 THEN CASE WHEN {_H[2]} % 20 = 0 THEN '北京' "
        f"ELSE 'city ' || CAST(sqrt({_H[3]} % 90000) AS INT) END END",
    ),
    "likes_coffee": ("boolean", f"CASE WHEN {_H[4]} % 10 > 0 THEN {_H[5]} % 10 < 3 END"),
    "is_active_7d": ("boolean", f"{_H[6]} % 4 = 0"),
    "gender": (
        "text",
        f"CASE WHEN {_H[7]} % 5 > 0 THEN CASE WHEN {_H[8]} % 2 = 0 THEN 'female' ELSE 'male' "
        "END END",
    ),
    "orders_90d": ("integer", f"CAST(exp(({_H[9]} % 1000) / 250.0) AS BIGINT) - 1"),
    "spent_90d": (
        "number",
        f"CASE WHEN {_H[10]} % 10 > 0 THEN round(exp(({_H[11]} % 1000000) / 110000.0), 2) END",
    ),
    "born": (
        "date",
        f"CASE WHEN {_H[12]} % 3 > 0 THEN DATE '1950-01-01' + CAST({_H[13]} % 20000 AS INT) END",
    ),
}
"""The type of each tag, and its value of person i."""
AUDIENCES: dict[str, tuple[list[dict[str, Any]], str]] = {
    "by_value": (
        [{"field": "city", "operator": "=", "value": "北京"},
         {"field": "likes_coffee", "operator": "=", "value": True},
         {"field": "is_active_7d", "operator": "=", "value": True},
         {"field": "gender", "operator": "=", "value": "female"}],
        "city = '北京' AND likes_coffee AND is_active_7d AND gender = 'female'",
    ),
    "by_range": (
        [{"field": "orders_90d", "operator": ">=", "value": 3},
         {"field": "spent_90d", "operator": "between", "value": [50, 500]},
         {"field": "born", "operator": "<", "value": "1990-01-01"},
         {"field": "gender", "operator": "!=", "value": "male"}],
        "orders_90d >= 3 AND spent_90d BETWEEN 50 AND 500 AND born < DATE '1990-01-01' "
        "AND gender <> 'male'",
    ),
    "coffee": ([{"field": "likes_coffee", "operator": "=", "value": True}], "likes_coffee"),
    "buyers": ([{"field": "orders_90d", "operator": ">", "value": 0}], "orders_90d > 0"),
}
"""The conditions of each audience, and the same by hand in SQL."""


def tags() -> list[Tag]:
    """The tags of ``VALUES``."""
    return [
        Tag(name=name, label=name, kind="fact", type=kind, sql="SELECT 1")
        for name, (kind, _) in VALUES.items()
    ]


def audiences() -> list[Audience]:
    """The audiences of ``AUDIENCES``."""
    return [
        msgspec.convert(
            {"name": name, "label": name, "query": {"combinator": "and", "rules": rules}}, Audience
        )
        for name, (rules, _) in AUDIENCES.items()
    ]


def make(folder: Path, persons: int) -> dict[str, float]:
    """A release of ``persons``; CPU seconds and megabytes of its Parquet and of its bitmaps."""
    lake = open_lake(folder, create=True)
    with lake.draft(DAY, CUT) as draft:
        start = time.process_time()
        _put_values(draft, persons)
        written = time.process_time()
        with snapshots.writing(lake.snapshots, SNAPSHOT) as kept:
            publish_description(
                draft, tags(), TagBounds(known=1.0, distance=1.0, min_persons=1), kept
            )
        described = time.process_time()
        parquet = sum(Path(file.path).stat().st_size for file in draft.files("tag_values"))
        ((bitmaps,),) = draft.session.rows("SELECT sum(count_bytes) FROM tag_bitmaps")
        draft.publish("run", "inputs", "rules", lambda: CUT)
    return {
        "parquet_s": written - start, "bitmaps_s": described - written,
        "parquet_mb": parquet / 1e6, "bitmaps_mb": int(str(bitmaps)) / 1e6,
    }


def _put_values(draft: Draft, persons: int) -> None:
    columns = ", ".join(f'{sql} AS "{name}"' for name, (_, sql) in VALUES.items())
    draft.replace_dates(
        "tag_values", [DAY],
        f"SELECT DATE '{DAY}' AS business_date, 'p' || i AS one_id, i AS person_no, {columns} "
        f"FROM range({persons}) AS r(i)", table=tag_values_table(tags()),
    )


def files(folder: Path) -> str:
    """Where the Parquet of the tags lies, as a pattern."""
    return f"{folder}/tables/tag_values/d={DAY}/*.parquet"
