"""Tags told as events come over topics: the lake's bundles, and the daily run's values."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pytest

from domain.record_keys import key_of
from jobs import settings
from jobs.streaming import tags
from jobs.streaming.runner import Runner, Stream
from lake.store import Lake
from lake.topics import Fresh, opened
from pipelines.tags import declared
from pipelines.tags.streaming.keyed import definitions
from pipelines.tags.vocabulary import below
from schemas.errors import ConfigError
from schemas.streaming import Streaming
from schemas.tag_definitions import Tag, TagFile
from tests.pipelines.tags.streaming.batch import batch
from tests.tiny import tag

BOUNDS = Streaming(lateness_s=0, idle_s=0.2, checkpoint_s=5, timers_at_s=0.01)
VIEWED: dict[str, Any] = {"from_": "events", "types": ["product_viewed"]}
WEEK, MONTH = {"last": "7 d"}, {"last": "30 d"}
OTHERS = [
    tag("views_7d", measure="count", window=WEEK, **VIEWED),
    tag("views_mtd", measure="count", window={"this": "month"}, **VIEWED),
    tag("views_before", measure="count", window={"previous": "month"}, **VIEWED),
    tag("viewed_price", measure="sum", field="price", window=MONTH, type="number",
        **(VIEWED | {"as": "decimal"})),
    tag("viewed_most", measure="most_frequent", field="category", window=MONTH, type="text",
        **VIEWED),
    tag("viewed_top", measure="top_n", n=3, field="product_id", window="ever", type="texts",
        **VIEWED),
    tag("sessions", measure="distinct_count", field="session_id", window=MONTH, from_="events"),
    tag("days", measure="days_active", window=MONTH, from_="events"),
    tag("since", measure="days_since", window="ever", from_="events"),
    tag("run", measure="streak", window="ever", from_="events"),
    tag("searched", measure="last", field="query", window="ever", type="text", from_="events"),
    tag("is_keen", type="boolean", rule={"combinator": "or", "rules": [
        {"field": "views_7d", "operator": ">", "value": 3},
        {"field": "days", "operator": ">=", "value": 5}]}),
    tag("stage", type="text", stages=[
        {"value": "new", "when": {"field": "since", "operator": "<", "value": 8}},
        {"value": "keen", "when": {"field": "is_keen", "operator": "=", "value": True}}]),
]
SETTINGS = settings.read()
SECRET = os.environ["GUIYI_IDENTIFIER_SECRET"].encode()
TOPICS = tags.inputs(SETTINGS)


def told() -> list[Tag]:
    return declared([TagFile([*tags.subset(SETTINGS).tags, *OTHERS])])


def lines(lake: Lake) -> Iterator[tuple[str, int, bytes]]:
    """Source, time of delivery in milliseconds and line of everything that comes over topics."""
    for one in lake.landing.deliveries():
        if one.source in TOPICS.values():
            content = lake.landing.read(one)
            text = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
            at = int(one.delivered_at.timestamp() * 1000)
            yield from ((one.source, at, line) for line in text.split(b"\n") if line)


@pytest.mark.slow
@pytest.mark.rule("CDP-6")
def test_values_over_topics_end_as_those_of_the_daily_run(
    landed_world: Lake, tmp_path: Path
) -> None:
    given = list(islice(lines(landed_world), 6_000))
    topics = opened(str(tmp_path / "topics"))
    for name in TOPICS:
        topics.create(name, 2)
    topics.create(tags.OUTPUT, 1)
    topics.create(tags.CHANGES, 1)
    writers = {source: topics.writer(name) for name, source in TOPICS.items()}
    keys = {
        one.name: key_of(one, topic.key) for one in SETTINGS.sources
        if (topic := SETTINGS.topics.of(one.name)) is not None
    }
    for source, at, line in given:
        writers[source].send(Fresh(keys[source](line), line, at))
    for writer in writers.values():
        writer.close()
    keyed = tags.keyed(SETTINGS, SECRET)
    stream = Stream(TOPICS, tags.OUTPUT, tags.CHANGES)
    runner = Runner(keyed, topics, stream, tmp_path / "at", BOUNDS, definitions(told()))
    runner.run(lambda: False, is_endless=False)
    runner.close()
    rules = runner.held.rules
    nothing = msgspec.json.decode(msgspec.json.encode(rules.book.nothing))
    heard: dict[str, dict[str, Any]] = {}
    reader = topics.reader(tags.OUTPUT, {0: 0})
    while reader.positions()[0] < topics.span(tags.OUTPUT)[0][1]:
        for record in reader.read(10_000, 0.1):
            one = msgspec.json.decode(record.value or b"")
            heard.setdefault(one["bundle_id"], dict(nothing))[one["tag"]] = one["value"]
    day = date.fromordinal(max(state.day for state in runner.held.states.values()))
    read = [keyed.read(rules, source, line, at * 1000) for source, at, line in given]
    wanted = batch(told(), [one for one in read if one is not None], day)
    assert len(wanted) > 100
    assert {key: heard.get(key, nothing) for key in wanted} == wanted
    assert set(heard) <= set(wanted)


@pytest.mark.slow
def test_a_line_is_read_as_ingest_has_it(sample_lake: Lake) -> None:
    keyed = tags.keyed(SETTINGS, SECRET)
    rules = keyed.rules(definitions(told()))
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for source, at, line in lines(sample_lake):
        one = keyed.read(rules, source, line, at * 1000)
        if one is not None:
            said = tuple(sorted(one.properties.items()))
            row = (one.key, one.at, date.fromordinal(one.day), one.type, said)
            found.setdefault((one.source, one.id), row)
    named = ", ".join(f"'{name}'" for name in TOPICS.values())
    with sample_lake.reader() as session:
        rows = session.rows(
            "SELECT source, event_id, CAST(bundle_id AS VARCHAR), epoch_us(occurred_at), "
            "business_date, type, properties FROM events "
            f"WHERE bundle_id IS NOT NULL AND source IN ({named})"
        )
    fields = rules.book.fields
    wanted = {
        (source, name): (*rest, tuple(sorted((k, v) for k, v in said.items() if k in fields)))
        for source, name, *rest, said in rows
    }
    assert len(wanted) > 1_000
    assert found == wanted


def test_the_declared_tags_are_told_or_refused_with_a_reason() -> None:
    found = tags.subset(SETTINGS)
    assert [one.name for one in found.tags] == [
        "age_years", "age_band", "city", "gender", "is_active_7d",
    ]
    assert found.refused["orders_paid_minor_30d"] == (
        "rows of order_lines come in files, not over topics"
    )
    assert set(found.refused) | {one.name for one in found.tags} == {
        one.name for one in declared(SETTINGS.tags)
    }


def test_a_definition_that_a_stream_cannot_tell_is_refused() -> None:
    every = {one.name: one for one in declared(SETTINGS.tags)}
    asked = [*below(every["rfm_recency"], every), every["rfm_recency"]]
    with pytest.raises(ConfigError, match="a stream cannot tell orders_count_365d"):
        tags.keyed(SETTINGS, b"s").rules(definitions(asked))
    with pytest.raises(ConfigError, match="a definition of a tag cannot be read"):
        tags.keyed(SETTINGS, b"s").rules({"x": b"{}"})
