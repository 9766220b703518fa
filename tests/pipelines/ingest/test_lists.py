"""Changes to lists are accounted for like any other rows, and read again alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from pipelines.audiences.lists import keys_on, known_lists
from schemas.lists import LISTS
from tests.pipelines.ingest.feeds import AT, Feed, File


def line(key: int = 1, change: str = "added", hour: int = 9, **changed: Any) -> bytes:
    """One line; ``changed`` replaces keys, None takes one away."""
    row: dict[str, Any] = {
        "list": "vip", "change": change, "type": "phone", "identifier_key": key,
        "reason": "spring campaign", "author": "Ana",
        "changed_at": f"2017-03-01T{hour:02}:00:00+00:00",
    }
    return msgspec.json.encode({k: v for k, v in (row | changed).items() if v is not None}) + b"\n"


def file(*content: bytes, path: str = "a.jsonl", later: int = 0) -> File:
    return File(LISTS, path, b"".join(content), AT + timedelta(minutes=later))


def on_list(feed: Feed, name: str = "vip") -> list[Any]:
    return feed.rows(f"SELECT identifier_key FROM ({keys_on(name)}) ORDER BY ALL")


def test_the_last_change_before_the_cut_counts(feed: Feed) -> None:
    feed.deliver(file(line(1), line(2)))
    assert on_list(feed) == [(1,), (2,)]
    feed.deliver(file(line(1, "removed", 10), line(3, hour=10), path="b.jsonl", later=1))
    assert on_list(feed) == [(2,), (3,)]
    # A file that comes late tells of a time when the later change was not yet made.
    feed.deliver(file(line(1, hour=9), line(2, "removed", 8), path="c.jsonl", later=2))
    assert on_list(feed) == [(2,), (3,)]
    assert feed.account()[-1] == ("c.jsonl", "loaded", 2, 1, 0, 1)


def test_a_list_is_known_though_everybody_is_off_it(feed: Feed) -> None:
    feed.deliver(file(line(1), line(1, "removed", 10), line(2, list="blocked")))
    with feed.lake.reader() as session:
        assert known_lists(session) == {"vip", "blocked"}
    assert on_list(feed) == []


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        (b"{\n", "broken_json", "truncated"),
        (b"\xff\n", "bad_encoding", "utf-8"),
        (line(change="moved"), "broken_change", "moved"),
        (line(list="VIP list"), "broken_change", "list"),
        (line(type="fax"), "broken_change", "fax"),
        (line(reason=" "), "broken_change", "reason"),
        (line(value="13812345678"), "broken_change", "value"),
        (line(2**63), "broken_change", "9223372036"),
        (line(changed_at="2017-03-01T09:00:00"), "broken_change", "changed_at"),
        (line(changed_at="0001-01-01T00:00:00+08:00"), "broken_change", "years 1 to 9999"),
    ],
)
def test_a_broken_line_goes_to_quarantine_and_the_others_stay(
    feed: Feed, content: bytes, reason: str, detail: str
) -> None:
    feed.deliver(file(line(7), b"\n", content))
    assert feed.quarantine() == [(3, reason)]
    assert detail in str(feed.rows("SELECT detail FROM quarantine"))
    assert feed.account() == [("a.jsonl", "loaded", 2, 1, 1, 0)]
    assert on_list(feed) == [(7,)]


def test_loads_in_pieces_give_what_one_load_gives(new_feed: Callable[[], Feed]) -> None:
    files = [
        file(line(1), line(1), line(2), path="b.jsonl"),
        file(line(1, "removed", 10), line(2), path="a.jsonl", later=1),
        file(line(1, hour=11), path="c.jsonl", later=2),
    ]
    whole, pieces = new_feed(), new_feed()
    whole.deliver(*files)
    for one in files:
        pieces.deliver(one)
    query = f"SELECT * EXCLUDE (changed_at, received_at) FROM {LISTS} ORDER BY ALL"
    assert whole.rows(query) == pieces.rows(query)
    assert len(whole.rows(query)) == 4
    assert whole.account() == pieces.account()
