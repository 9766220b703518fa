"""What a mended declaration takes is handed in once, whatever file it lay in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jobs import settings
from jobs.replay import replay
from lake.store import open_lake
from schemas.sources import Column, EventType, Source
from tests.pipelines.ingest.feeds import AT, ERP_HEADER, Feed, File, order_line

CONTENT = f"{ERP_HEADER},cashier\n{order_line('O1')},c1\n{order_line('O2')},c1\n".encode()


@dataclass
class Desk:
    """A lake whose sources change, and the command that hands rows in again."""

    feed: Feed
    hours: int = 0

    def declare(self, *ignored: str) -> None:
        """Let the order lines have ``ignored`` fields."""
        self.feed.sources = [
            msgspec.structs.replace(one, ignored=list(ignored)) if one.name == "erp_orders" else one
            for one in self.feed.sources
        ]

    def replay(self) -> list[dict[str, Any]]:
        """Hand in the mended rows, an hour after the last time, and load nothing."""
        self.hours += 1
        settled = replace(settings.read(), sources=self.feed.sources)
        at = AT + timedelta(hours=self.hours)
        return replay(self.feed.lake, settled, at, dry_run=False)

    def load(self) -> None:
        """Load what waits in the landing."""
        loaded = {file for (file,) in self.feed.rows("SELECT file FROM deliveries")}
        waiting = self.feed.lake.landing.deliveries()
        self.feed.take([one for one in waiting if one.file not in loaded])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(Feed(open_lake(tmp_path / "lake", create=True), settings.read().sources))


@pytest.mark.rule("CDP-2")
def test_a_file_whose_rows_are_all_mended_comes_back(desk: Desk) -> None:
    desk.feed.deliver(File("erp_orders", "a.csv", CONTENT))
    assert desk.feed.quarantine() == [(2, "unknown_column"), (3, "unknown_column")]
    assert desk.replay() == []
    desk.declare("cashier")
    (told,) = desk.replay()
    assert (told["source"], told["rows"]) == ("erp_orders", 2)
    assert desk.replay() == [], "it waits in the landing"
    desk.load()
    assert desk.feed.rows("SELECT event_id, file FROM events ORDER BY 1") == [
        ("O1:1", told["file"]),
        ("O2:1", told["file"]),
    ]
    assert desk.replay() == []


@pytest.mark.rule("CDP-2")
def test_equal_rows_of_a_second_file_are_closed_too(desk: Desk) -> None:
    desk.feed.deliver(File("erp_orders", "a.csv", CONTENT))
    desk.declare("cashier")
    desk.replay()
    desk.load()
    desk.declare()
    desk.feed.deliver(File("erp_orders", "b.csv", CONTENT))
    desk.declare("cashier")
    assert [told["rows"] for told in desk.replay()] == [2]
    desk.load()
    assert desk.feed.rows("SELECT file, line FROM replays ORDER BY ALL") == [
        ("a.csv", 2),
        ("a.csv", 3),
        ("b.csv", 2),
        ("b.csv", 3),
    ]
    assert desk.feed.rows("SELECT count(*) FROM events") == [(2,)]
    assert desk.replay() == []


@pytest.mark.rule("CDP-2")
def test_a_source_declared_later_is_taken_row_by_row_as_it_is_mended(desk: Desk) -> None:
    desk.feed.deliver(File("tills", "a.csv", b"id,at\n1,2017-03-01\n2,02.03.2017\n"))
    columns = {"id": Column(required=True), "at": Column(type="date", required=True)}
    desk.feed.sources.append(
        Source("tills", "csv", columns, occurred="at", event_types=[EventType("till_opened")])
    )
    assert [told["rows"] for told in desk.replay()] == [1]
    desk.load()
    assert desk.replay() == []
    columns["at"] = Column(type="date", required=True, format="%d.%m.%Y")
    desk.feed.sources[-1] = msgspec.structs.replace(desk.feed.sources[-1], columns=columns)
    assert [told["rows"] for told in desk.replay()] == [1]
    desk.load()
    assert desk.feed.rows("SELECT count(*), min(type) FROM events") == [(2, "till_opened")]
    assert desk.feed.rows("SELECT line FROM replays ORDER BY 1") == [(1,), (2,), (3,)]
    assert desk.replay() == []
