"""The tags in Flink on a real Kafka: the same records as the in-process runner, exactly once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from jobs import settings
from jobs.streaming import tags
from jobs.streaming.runner import Runner, Stream
from lake.engines import parts
from lake.engines.kafka import Broker
from lake.topics import opened
from pipelines.tags import declared
from pipelines.tags.streaming.keyed import definitions
from schemas.errors import UsageError
from schemas.tag_definitions import TagFile
from tests.jobs.streaming import made
from tests.jobs.streaming.test_flink import ALL, BOUNDS, SECRET, Place
from tests.tiny import tag

TAGS = definitions(declared([TagFile([
    tag("views", from_="events", types=["product_viewed"], measure="count",
        window={"last": "7 d"}),
    tag("spent", from_="events", measure="sum", field="price", window="ever", type="number",
        **{"as": "decimal"}),
    tag("run", from_="events", measure="streak", window="ever"),
    tag("is_keen", type="boolean", rule={"field": "views", "operator": ">", "value": 20}),
])]))


@pytest.mark.slow
@pytest.mark.prove
@pytest.mark.rule("CDP-6")
def test_flink_tells_what_the_process_tells(broker: Broker, tmp_path: Path) -> None:
    try:
        parts.require(*parts.OF_ENGINE["flink"])
    except UsageError as error:
        pytest.skip(str(error))
    topics = opened(str(tmp_path / "topics"))
    stream = Stream({"events.app_events": "app_events"}, "values", "changes")
    for name, partitions in (("events.app_events", 4), ("values", 1), ("changes", 1)):
        topics.create(name, partitions)
    made.send(topics, "events.app_events", ALL)
    keyed = tags.keyed(settings.read(), SECRET)
    runner = Runner(keyed, topics, stream, tmp_path / "at", BOUNDS, TAGS)
    runner.run(lambda: False, is_endless=False)
    expected = made.said(topics, "values")
    assert len(expected) > 1_000
    place = Place(broker, tmp_path / "flink", "tags_in_flink")
    place.send(ALL)
    job = msgspec.structs.replace(place.job(), definitions=TAGS)
    with place.running(job, kind="tags") as process:
        place.until(process, lambda: len(place.said()) >= len(expected))
    assert place.said() == expected
