"""Event ids tell apart what the columns of a key tell apart, and nothing else."""

from __future__ import annotations

import msgspec
import pytest

from schemas.sources import Column, EventType, Key, Source
from tests.pipelines.ingest.feeds import Feed, File

TILLS = Source(
    "tills",
    "csv",
    {"id": Column(), "part": Column(), "no": Column(type="integer"), "at": Column(type="date")},
    occurred="at",
    event_types=[EventType("till_opened")],
)


def ids(feed: Feed, key: list[str], *rows: str) -> list[str]:
    feed.sources.append(msgspec.structs.replace(TILLS, dedupe=Key(key)))
    content = "".join(f"{row},2017-03-01\n" for row in ("id,part,no,at", *rows))
    feed.deliver(File("tills", "a.csv", content.replace("at,2017-03-01", "at").encode()))
    found = feed.rows("SELECT event_id FROM events ORDER BY line")
    return [event_id for (event_id,) in found]


@pytest.mark.rule("CDP-2")
def test_keys_that_hold_the_separator_do_not_collide(feed: Feed) -> None:
    rows = ("x:1,2,1", "x,1:2,1", "x\\,1:2,1", "x\\:1,2,1", "O1,7,1")
    assert ids(feed, ["id", "part"], *rows) == [
        "x\\:1:2", "x:1\\:2", "x\\\\:1\\:2", "x\\\\\\:1:2", "O1:7",
    ]


@pytest.mark.rule("CDP-2")
def test_one_number_written_twice_is_one_key(feed: Feed) -> None:
    assert ids(feed, ["id", "no"], "O1,p,01", "O1,p,1", "O1,p,+1", "O1,p,2") == ["O1:1", "O1:2"]


def test_a_key_of_one_column_stays_as_it_came(feed: Feed) -> None:
    assert ids(feed, ["id"], "x:1\\,p,1") == ["x:1\\"]
