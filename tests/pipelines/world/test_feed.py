"""The app's feed: clocks, late and repeated events, blank ids, malformed lines."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from pipelines.world.app_feed import NULLISH
from tests.pipelines.world.small_world import Small


@pytest.fixture(scope="session")
def events(basic: Small) -> dict[str, list[tuple[str, int, dict]]]:
    """Return readable lines of the feed by message id, in order of receipt."""
    bad = {(row["path"], row["line"]) for row in basic.rows("spoiled")}
    found: dict[str, list[tuple[str, int, dict]]] = {}
    for path in basic.paths("app_events"):
        for number, line in enumerate(basic.lines(path), 1):
            if (path, number) not in bad:
                event = json.loads(line)
                found.setdefault(event["messageId"], []).append((path, number, event))
    return found


def marked(world: Small, mark: str) -> list[dict]:
    return [row for row in world.rows("events") if row["marks"] and mark in row["marks"]]


def corrected(event: dict) -> datetime:
    names = ("receivedAt", "sentAt", "originalTimestamp")
    received, sent, original = (datetime.fromisoformat(event[name]) for name in names)
    return received - (sent - original)


def test_receipt_corrects_every_clock_that_is_not_hopeless(basic: Small, events: dict) -> None:
    for row in basic.rows("events"):
        if row["source"] != "app_events" or "hopeless_clock" in row["marks"]:
            continue
        event = events[row["event_id"]][0][2]
        assert abs(corrected(event) - row["occurred_at"]) < timedelta(seconds=2)


def test_wrong_clocks_are_off_by_an_hour_or_more(basic: Small, events: dict) -> None:
    rows = marked(basic, "wrong_clock")
    assert rows
    for row in rows:
        stamp = datetime.fromisoformat(events[row["event_id"]][0][2]["originalTimestamp"])
        assert abs(stamp - row["occurred_at"]) >= timedelta(minutes=59)


def test_late_events_are_received_one_to_seventy_two_hours_later(
    basic: Small, events: dict
) -> None:
    rows = marked(basic, "late")
    assert rows
    for row in rows:
        received = datetime.fromisoformat(events[row["event_id"]][0][2]["receivedAt"])
        delay = received - row["occurred_at"]
        assert timedelta(hours=1) <= delay <= timedelta(hours=72, minutes=1)


def test_repeated_ids_stand_where_the_truth_says(basic: Small, events: dict) -> None:
    repeats = [row for row in basic.rows("repeats") if row["source"] == "app_events"]
    assert repeats
    for row in repeats:
        places = events[row["event_id"]]
        assert len(places) == 2
        assert (row["path"], row["line"]) == places[1][:2]
        first, second = (place[2] for place in places)
        assert first["originalTimestamp"] == second["originalTimestamp"]
    assert sum(len(places) - 1 for places in events.values()) == len(repeats)


def test_same_content_comes_under_two_ids(basic: Small, events: dict) -> None:
    pairs = [row["identifiers"] for row in basic.rows("traps") if row["trap"] == "same_content"]
    assert pairs
    for pair in pairs:
        if not all(key in events for key in pair):
            continue
        first, second = ({**events[key][0][2], "messageId": ""} for key in pair)
        first.pop("timestamp", None)
        assert first == second


def test_blank_anonymous_ids_are_marked(basic: Small, events: dict) -> None:
    rows = marked(basic, "nullish_anonymous_id")
    total = sum(row["source"] == "app_events" for row in basic.rows("events"))
    assert 0.01 < len(rows) / total < 0.03
    for row in rows:
        event = events[row["event_id"]][0][2]
        assert event["anonymousId"] in NULLISH


@pytest.mark.parametrize("source", ["app_events", "service_chats", "consents"])
def test_malformed_json_lines_fail_for_their_reason(basic: Small, source: str) -> None:
    rows = [row for row in basic.rows("spoiled") if row["source"] == source]
    assert rows
    for row in rows:
        assert why_unreadable(basic.lines(row["path"])[row["line"] - 1]) == row["reason"]


def why_unreadable(line: bytes) -> str | None:
    try:
        event = json.loads(line.decode())
    except UnicodeDecodeError:
        return "bad_encoding"
    except json.JSONDecodeError:
        return "broken_json"
    if not ({"type", "msgid", "purpose"} & event.keys()):
        return "missing_field"
    stamps = [event.get(name) for name in ("receivedAt", "msgtime", "at")]
    return "bad_time" if "2017-13-45 25:61" in stamps else None


def test_malformed_order_lines_fail_for_their_reason(basic: Small) -> None:
    rows = [row for row in basic.rows("spoiled") if row["source"].startswith("erp")]
    assert rows
    for row in rows:
        line = basic.lines(row["path"])[row["line"] - 1]
        fields = line.split(b",")
        seen = {
            "bad_encoding": b"\xff\xfe" in line,
            "wrong_field_count": len(fields) != 13,
            "bad_time": fields[2] == b"2017-13-45",
            "bad_number": b"12.5O" in line,
        }
        assert [reason for reason, is_seen in seen.items() if is_seen] == [row["reason"]]


def test_bots_send_each_event_from_another_device(basic: Small) -> None:
    for row in basic.rows("traps"):
        if row["trap"] == "bot":
            assert len(set(row["identifiers"])) == len(row["identifiers"]) == 4000
    assert all(row["person_id"] is None for row in marked(basic, "bot"))
