"""A world of any size: the same shapes and the same truth, without real purchases."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta

import pytest

from pipelines.world import generate_at_scale
from tests.pipelines.world.small_world import Small


def make_at_scale(seed: int) -> Small:
    world = generate_at_scale(persons=2_000, events=20_000, seed=seed)
    return Small({one.path: one for one in world.files}, world.truth)


@pytest.fixture(scope="session")
def scaled() -> Small:
    return make_at_scale(1)


def readable(world: Small, source: str) -> list[dict]:
    bad = {(row["path"], row["line"]) for row in world.rows("spoiled")}
    return [
        json.loads(line)
        for path in world.paths(source)
        for number, line in enumerate(world.lines(path), 1)
        if (path, number) not in bad
    ]


def test_same_seed_gives_the_same_bytes_at_scale(scaled: Small) -> None:
    again = make_at_scale(1)
    assert again.files == scaled.files
    assert again.truth == scaled.truth


def test_the_number_of_events_is_the_one_asked_for(scaled: Small) -> None:
    assert abs(scaled.truth["events"].num_rows - 20_000) < 400
    assert scaled.truth["persons"].num_rows == 2_000


def test_expected_counts_the_lines_of_every_scaled_file(scaled: Small) -> None:
    expected = {row["path"]: row["count_rows"] for row in scaled.rows("expected")}
    assert expected.keys() == scaled.files.keys()
    for path, count in expected.items():
        assert len(scaled.lines(path)) - int(path.endswith(".csv")) == count


def test_scaled_feed_lines_are_the_truths_events_and_repeats(scaled: Small) -> None:
    events = readable(scaled, "app_events")
    told = Counter(
        row["event_id"]
        for table in ("events", "repeats")
        for row in scaled.rows(table)
        if row["source"] == "app_events"
    )
    assert Counter(event["messageId"] for event in events) == told


def test_receipt_corrects_scaled_clocks(scaled: Small) -> None:
    truth = {row["event_id"]: row["occurred_at"] for row in scaled.rows("events")}
    names = ("receivedAt", "sentAt", "originalTimestamp")
    for event in readable(scaled, "app_events"):
        received, sent, original = (datetime.fromisoformat(event[name]) for name in names)
        off = received - (sent - original) - truth[event["messageId"]]
        assert abs(off) < timedelta(seconds=1)


def test_scaled_identifiers_have_one_holder_unless_passed_on_or_shared(scaled: Small) -> None:
    held = Counter(
        (row["type"], row["value"])
        for row in scaled.rows("identifiers")
        if not row["is_shared"] and row["valid_from"] is None
    )
    assert set(held.values()) == {1}
