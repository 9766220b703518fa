"""The in-process runner: exactly once across kill -9, new patterns without a restart."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import msgspec
import pytest

from domain.patterns import State, ready
from jobs.streaming import changes
from jobs.streaming.patterns import definitions
from jobs.streaming.runner import Runner, Stream
from lake.topics import opened
from lake.topics.record import Topics
from schemas.streaming import Streaming
from tests.jobs.streaming import made
from tests.oracles.patterns_oracle import Said, matches

BOUNDS = Streaming(lateness_s=made.LATENESS_S, idle_s=0.2, checkpoint_s=0.05, timers_at_s=0.01)
STREAM = Stream({"events.app_events": "app_events"}, "patterns.matches", "patterns.definitions")
LINES = made.lines(3_000, 30)


def ready_topics(folder: Path) -> Topics:
    topics = opened(str(folder / "topics"))
    topics.create("events.app_events", 4)
    topics.create("patterns.matches", 1)
    topics.create("patterns.definitions", 1)
    return topics


def runner(folder: Path, topics: Topics) -> Runner:
    found = definitions(made.PATTERNS)
    return Runner(
        made.keyed(), topics, STREAM, folder / "stream" / "checkpoint", BOUNDS, found
    )


def expected() -> set[Said]:
    """The matches by the plain oracle."""
    rules = made.keyed().rules(definitions(made.PATTERNS))
    history = [made.keyed().read(rules, "app_events", line, at * 1000) for at, _, line in LINES]
    until = (max(at for at, _, _ in LINES) - made.LATENESS_S * 1000) * 1000 - 1
    once = {event.id: event for event in history if event is not None}
    return matches(list(once.values()), made.PATTERNS, until)


def as_said(topics: Topics) -> list[Said]:
    from tests.domain.test_patterns import _us

    return [
        (one["pattern"], one["key"], "", _us(one["began_at"]))
        for one in made.said(topics, "patterns.matches")
    ]


@pytest.mark.rule("MA-1")
def test_lines_of_a_topic_give_the_matches_of_the_whole_history(tmp_path: Path) -> None:
    topics = ready_topics(tmp_path)
    made.send(topics, "events.app_events", LINES)
    counts = runner(tmp_path, topics).run(lambda: False, is_endless=False)
    found = as_said(topics)
    assert len(found) == len(set(found)) == counts.said > 50
    assert set(found) == expected()
    assert counts.records == len(LINES)
    assert 0 < counts.events < len(LINES)


def test_a_second_run_says_nothing_again(tmp_path: Path) -> None:
    topics = ready_topics(tmp_path)
    made.send(topics, "events.app_events", LINES)
    runner(tmp_path, topics).run(lambda: False, is_endless=False)
    before = made.values(topics, "patterns.matches")
    assert runner(tmp_path, topics).run(lambda: False, is_endless=False).said == 0
    assert made.values(topics, "patterns.matches") == before


def killed(folder: Path, point: str) -> int:
    """The end of a run that is to die at ``point``: the signal."""
    child = os.fork()
    if child == 0:
        os.environ["GUIYI_CRASH_AT"] = point
        runner(folder, opened(str(folder / "topics"))).run(lambda: False, is_endless=False)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(
    "point",
    [
        "stream.before_checkpoint", "stream.after_checkpoint", "stream.between_outs",
        "stream.after_outs",
    ],
)
def test_after_a_kill_the_output_is_that_of_an_undisturbed_run(tmp_path: Path, point: str) -> None:
    topics = ready_topics(tmp_path)
    made.send(topics, "events.app_events", LINES[:1500])
    assert killed(tmp_path, point) == -signal.SIGKILL
    made.send(topics, "events.app_events", LINES[1500:])
    runner(tmp_path, topics).run(lambda: False, is_endless=False)
    found = as_said(topics)
    assert len(found) == len(set(found))
    assert set(found) == expected()


def test_a_new_pattern_needs_no_restart_and_a_removed_one_ends(tmp_path: Path) -> None:
    topics = ready_topics(tmp_path)
    job = runner(tmp_path, topics)
    made.send(topics, "events.app_events", LINES[:500])
    while job.once():
        pass
    changed = {
        "searched": msgspec.json.encode(
            msgspec.structs.replace(
                made.PATTERNS[2], name="searched",
                begins=msgspec.structs.replace(
                    made.PATTERNS[2].begins, types=["products_searched"]
                ),
            )
        ),
        "viewed": None,
    }
    changes.send(topics, STREAM.changes, changed, made.START)
    job.once()
    made.send(topics, "events.app_events", LINES[500:])
    job.run(lambda: False, is_endless=False)
    found = {one["pattern"] for one in made.said(topics, "patterns.matches")}
    assert "searched" in found
    assert "viewed" not in {
        one["pattern"] for one in made.said(topics, "patterns.matches")
        if one["began_at"] > made.iso(LINES[500][0])
    }


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    topics = ready_topics(tmp_path)
    odd = [b"", b"[]", b"{", b"\xff\xfe", b'{"type":"track","event":"Product Added"}', b"null"]
    made.send(topics, "events.app_events", [(made.START, b"k", one) for one in odd])
    counts = runner(tmp_path, topics).run(lambda: False, is_endless=False)
    assert (counts.records, counts.events) == (len(odd), 0)


def test_states_are_small() -> None:
    rules = ready({one.name: one for one in made.PATTERNS})
    assert len(msgspec.msgpack.encode(State({}))) < 10
    assert rules.fields == frozenset()
