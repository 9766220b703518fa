"""A file of decisions that somebody made by hand is accounted for like any other."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from pipelines.ingest.decisions import identified
from schemas.decisions import DECISIONS, Decision, Keyed
from tests.pipelines.ingest.feeds import AT, Feed, File

MADE = datetime(2017, 3, 1, 9, tzinfo=UTC)


def line(kind: str = "link", **changed: Any) -> bytes:
    """One line; ``changed`` replaces keys, None takes one away."""
    row: dict[str, Any] = {
        "kind": kind, "reason": "told at the counter", "author": "Ana",
        "decided_at": "2017-03-01T17:00:00+08:00",
    }
    if kind == "revoke":
        row["revokes"] = "d1"
    else:
        row["a"] = {"type": "phone", "identifier_key": 2}
    if kind in ("link", "unlink"):
        row["b"] = {"type": "email", "identifier_key": 1}
    return msgspec.json.encode({k: v for k, v in (row | changed).items() if v is not None}) + b"\n"


def file(*content: bytes, path: str = "a.jsonl", later: int = 0) -> File:
    return File(DECISIONS, path, b"".join(content), AT + timedelta(minutes=later))


def test_each_kind_becomes_a_row(feed: Feed) -> None:
    feed.deliver(file(*(line(kind) for kind in ("link", "unlink", "block", "revoke"))))
    found = feed.rows(
        "SELECT kind, identifier_key_a, identifier_key_b, revokes, reason, author, "
        "epoch(decided_at), epoch(received_at), file FROM identity_decisions ORDER BY kind"
    )
    rest = ("told at the counter", "Ana", MADE.timestamp(), AT.timestamp(), "a.jsonl")
    assert found == [
        ("block", 2, None, None, *rest), ("link", 1, 2, None, *rest),
        ("revoke", None, None, "d1", *rest), ("unlink", 1, 2, None, *rest),
    ]
    assert feed.account() == [("a.jsonl", "loaded", 4, 4, 0, 0)]


@pytest.mark.parametrize(
    ("content", "reason", "detail"),
    [
        (b"{\n", "broken_json", "truncated"),
        (b"[]\n", "broken_decision", "Expected `object`"),
        (b"\xff\n", "bad_encoding", "utf-8"),
        (line("merge"), "broken_decision", "merge"),
        (line(reason=" "), "broken_decision", "reason"),
        (line(author=None), "broken_decision", "author"),
        (line(decided_at="2017-03-01T17:00:00"), "broken_decision", "decided_at"),
        (line(decided_at="0001-01-01T00:00:00+08:00"), "broken_decision", "years 1 to 9999"),
        (line(a={"type": "fax", "identifier_key": 2}), "broken_decision", "fax"),
        (line(a={"type": "phone", "identifier_key": 2**63}), "broken_decision", "9223372036"),
        (line(a={"type": "phone", "value": "1"}), "broken_decision", "value"),
        (line(a={"type": "phone", "identifier_key": 1}), "broken_decision", "names one twice"),
        (line("block", b={"type": "phone", "identifier_key": 1}), "broken_decision", "names a,"),
        (line(a=None), "broken_decision", "a link names a and b, this one b"),
        (line("revoke", revokes=None), "broken_decision", "names revokes, this one neither"),
        (line(decision_id="d0"), "broken_decision", "decision_id should be d"),
    ],
)
def test_a_broken_line_goes_to_quarantine_and_the_others_stay(
    feed: Feed, content: bytes, reason: str, detail: str
) -> None:
    feed.deliver(file(line("block"), b"\n", content))
    assert feed.quarantine() == [(3, reason)]
    assert detail in str(feed.rows("SELECT detail FROM quarantine"))
    assert feed.account() == [("a.jsonl", "loaded", 2, 1, 1, 0)]
    assert feed.rows("SELECT kind FROM identity_decisions") == [("block",)]


def test_a_decision_delivered_again_changes_nothing(feed: Feed) -> None:
    one = identified(msgspec.json.decode(line(), type=Decision))
    query = "SELECT * EXCLUDE (decided_at, received_at) FROM identity_decisions"
    feed.deliver(file(line(), line(), path="a.jsonl"))
    before = feed.rows(query)
    turned = line(
        a={"type": "email", "identifier_key": 1}, b={"type": "phone", "identifier_key": 2},
        decided_at="2017-03-01T09:00:00Z", decision_id=one.decision_id,
    )
    feed.deliver(file(turned, path="b.jsonl", later=1))
    assert feed.rows(query) == before
    assert feed.account() == [
        ("a.jsonl", "loaded", 2, 1, 0, 1), ("b.jsonl", "loaded", 1, 0, 0, 1),
    ]


def test_loads_in_pieces_give_what_one_load_gives(new_feed: Callable[[], Feed]) -> None:
    files = [
        file(line(), line("block"), path="b.jsonl"),
        file(line("unlink"), line(), path="a.jsonl", later=1),
        file(line("block"), line("revoke"), path="c.jsonl", later=2),
    ]
    whole, pieces = new_feed(), new_feed()
    whole.deliver(*files)
    for one in files:
        pieces.deliver(one)
    query = "SELECT decision_id, file, epoch(received_at) FROM identity_decisions ORDER BY ALL"
    assert whole.rows(query) == pieces.rows(query)
    assert len(whole.rows(query)) == 4
    assert whole.account() == pieces.account()


def test_a_packed_file_and_one_without_a_last_line_end_are_read(feed: Feed) -> None:
    feed.deliver(
        file(gzip.compress(line()), path="a.jsonl.gz"), file(line("block")[:-1], path="b.jsonl")
    )
    assert feed.account() == [
        ("a.jsonl.gz", "loaded", 1, 1, 0, 0), ("b.jsonl", "loaded", 1, 1, 0, 0),
    ]


def test_a_line_of_a_file_cut_short_is_no_decision(feed: Feed) -> None:
    packed = gzip.compress(b"".join(line("block", reason=f"number {no}") for no in range(9)))
    feed.deliver(file(packed[:-30], path="a.jsonl.gz"))
    ((_, status, rows, taken, bad, _),) = feed.account()
    assert (status, rows) == ("truncated", taken + bad)
    assert {reason for _, reason in feed.quarantine()} <= {"truncated_line", "truncated_file"}


def test_an_id_follows_from_content_and_time_alone() -> None:
    a, b = Keyed("phone", 2), Keyed("email", 1)
    one = Decision(kind="link", a=a, b=b, reason="r", author="Ana", decided_at=MADE)
    turned = msgspec.structs.replace(one, a=b, b=a)
    assert identified(one).decision_id == identified(turned).decision_id
    later = msgspec.structs.replace(one, decided_at=MADE + timedelta(microseconds=1))
    assert identified(one).decision_id != identified(later).decision_id
