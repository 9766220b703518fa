"""What one more day takes: the day, the days that leave windows, the state, and whom they touch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from lake.draft import Draft
from lake.engines.duckdb import Session
from pipelines.tags import declared, publish_tags, refresh_partials
from schemas.tag_definitions import Tag, TagFile
from tests import tiny

CLOCK = datetime(2018, 1, 1, tzinfo=UTC)
DAYS, PEOPLE = 60, 200
LAST = tiny.DAY


MERGED = ("work_values", "work_again_cells")
"""Tables whose queries look for few persons among many rows: what they join is counted."""


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Rows read by every statement that makes a table."""
    seen: list[int] = []
    plain = Session.execute

    def profiled(self: Session, sql: str) -> None:
        if not sql.lstrip().startswith("CREATE OR REPLACE TEMP TABLE"):
            plain(self, sql)
            return
        plain(self, "PRAGMA enable_profiling = 'no_output'")
        plain(self, sql)
        profile = json.loads(self.con.get_profiling_information(format="json"))
        seen.append(_given(profile, any(name in sql[:60] for name in MERGED)))
        plain(self, "PRAGMA disable_profiling")

    with monkeypatch.context() as patch:
        patch.setattr(Session, "execute", profiled)
        yield seen


def _given(node: dict[str, Any], is_merged: bool) -> int:
    """Rows that scans of files give; in a merge, what the join right above each gives."""
    total = 0
    for child in node.get("children", []):
        if is_merged and _is_join(node) and _scans(child):
            total += min(int(node["operator_cardinality"]), _given(child, is_merged))
        else:
            total += _given(child, is_merged)
    is_scan = "PARQUET" in str(node.get("extra_info", {}).get("Function", ""))
    return total + (int(node["operator_cardinality"]) if is_scan else 0)


def _is_join(node: dict[str, Any]) -> bool:
    return "JOIN" in str(node.get("operator_type", ""))


def _scans(node: dict[str, Any]) -> bool:
    """Whether files are scanned below without a join between."""
    if "PARQUET" in str(node.get("extra_info", {}).get("Function", "")):
        return True
    return not _is_join(node) and any(_scans(child) for child in node.get("children", []))


def some_tags() -> list[Tag]:
    lines: dict[str, Any] = {"from_": "order_lines"}
    return declared([TagFile([
        tiny.tag("paid_7d", **lines, measure="sum", field="paid_minor", window={"last": "7 d"}),
        tiny.tag("paid_ever", **lines, measure="sum", field="paid_minor", window="ever"),
        tiny.tag("orders_30d", **lines, measure="distinct_count", field="order_id",
                 window={"last": "30 d"}),
        tiny.tag("active_30d", **lines, measure="days_active", window={"last": "30 d"}),
        tiny.tag("dearest_7d", **lines, measure="max", field="paid_minor",
                 window={"last": "7 d"}),
    ])])


def put_days(draft: Draft, first: int, last: int) -> None:
    """A line a day for every second person: who bought on a day is known beforehand."""
    tiny.put_lines(draft, [
        (person, tiny.at(ago, day=LAST), f"o{person}-{ago}", 10 + person)
        for ago in range(first, last, -1)
        for person in range(PEOPLE)
        if person % 2 == ago % 2
    ])


@pytest.mark.rule("CDP-6")
def test_one_more_day_merges_what_changed_with_the_state_and_rereads_no_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = some_tags()
    with tiny.tiny_draft(tmp_path, LAST - timedelta(days=1)) as draft:
        tiny.put_products(draft)
        tiny.put_persons(draft, {f"p{person:02}": [person] for person in range(PEOPLE)})
        put_days(draft, DAYS, 0)
        refresh_partials(draft, tags)
        publish_tags(draft, tags)
        draft.publish("run", "inputs", "rules", lambda: CLOCK)
    with tiny.tiny_draft(tmp_path, LAST) as draft:
        put_days(draft, 0, -1)
        refresh_partials(draft, tags)
        for source in ("events", "order_lines"):
            draft.session.execute(
                f"CREATE OR REPLACE TEMP VIEW {source} AS SELECT error('{source} were read')"
            )
        with counted(monkeypatch) as seen:
            publish_tags(draft, tags)
        found = tiny.tag_rows(draft)
    half, history = PEOPLE // 2, PEOPLE * DAYS // 2
    # Of the new day both tables; of the days that leave the 7 and the 30 days, both too.
    of_days = 2 * half + 2 * 2 * half
    # Values of 30 days of whom the new day touches; 7 days of whom the first of them left.
    of_touched = half * 15 + half * 4
    # Persons, whose a bundle is, and the state: passed eleven times in all.
    of_state = PEOPLE * 11
    assert sum(seen) <= of_days + of_touched + of_state < history
    assert found["p00"] == found["p00"] | {"paid_ever": 310, "orders_30d": 15, "active_30d": 15}
