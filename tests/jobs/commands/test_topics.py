"""The commands of topics, from a feed to upkeep, and their words where something is amiss."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.commands import quarantine, topics
from jobs.show import Format
from lake.store import open_lake
from schemas.errors import NotFoundError, NothingToDo, UsageError
from tests.jobs.topics.test_deliver import consent
from tests.pipelines.ingest.feeds import File

NOON = datetime(2017, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    lake = open_lake(tmp_path / "origin", create=True)
    lines = b"\n".join([consent(1), b"", b"no json", consent(2), b""])
    lake.landing.receive([
        File("consents", "consents/1.jsonl", lines, NOON),
        File("products", "products/1.csv", b"product_id\n", NOON),
    ])
    return lake.root


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_from_a_feed_to_landed_records(
    origin: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = str(tmp_path / "lake")
    topics.topic_feed(origin, None, None, True, None, data, Format.JSON)
    assert said(capsys) == {"records": {"events.consents": 3}, "files": 1}
    topics.topic_lag(None, data, Format.JSON)
    assert sum(one["records"] for one in said(capsys)["partitions"]) == 3
    topics.topic_land(None, False, "1/1", False, None, data, Format.JSON)
    assert said(capsys)["events.consents"]["records"] == 3
    with pytest.raises(NothingToDo, match="everything is landed"):
        topics.topic_land(None, False, "1/1", False, None, data, Format.JSON)
    topics.topic_list(None, data, Format.JSON)
    listed = {one["topic"]: one["records"] for one in said(capsys)["topics"]}
    assert listed == {"events.app_events": 0, "events.consents": 3, "events.service_chats": 0}
    topics.topic_upkeep(None, data, Format.JSON)
    assert said(capsys)["rows_dropped"] == 0
    with pytest.raises(NothingToDo, match="the topics are there"):
        topics.topic_create(None, None, data, Format.JSON)


def test_workers_share_the_partitions(origin: Path, tmp_path: Path) -> None:
    data = str(tmp_path / "lake")
    topics.topic_feed(origin, None, None, True, None, data, Format.JSON)
    landed = 0
    for worker in ("1/2", "2/2"):
        try:
            topics.topic_land(["consents"], False, worker, False, None, data, Format.JSON)
            landed += 1
        except NothingToDo:
            continue
    assert landed >= 1
    with pytest.raises(NothingToDo):
        topics.topic_land(None, False, "1/1", False, None, data, Format.JSON)


def test_what_is_amiss_is_said(origin: Path, tmp_path: Path) -> None:
    data = str(tmp_path / "lake")
    open_lake(data, create=True)
    with pytest.raises(NotFoundError, match="there is no topic yet"):
        topics.topic_land(None, False, "1/1", False, None, data, Format.JSON)
    with pytest.raises(NotFoundError, match="no topic 'orders' is declared"):
        topics.topic_create(["orders"], None, data, Format.JSON)
    with pytest.raises(UsageError, match="names no worker"):
        topics.topic_land(None, False, "3/2", False, None, data, Format.JSON)
    with pytest.raises(UsageError, match="cannot be fed to its own lake"):
        topics.topic_feed(origin, None, None, True, None, str(origin), Format.JSON)


def test_a_quarantined_row_says_which_record_it_was() -> None:
    row = {"file": f"topics/consents/1/{7:020}.jsonl.gz", "line": 3, "raw_base64": "eA=="}
    assert quarantine._with_raw(dict(row))["came_over"] == (
        "topic events.consents, partition 1, offset 9"
    )
    assert "came_over" not in quarantine._with_raw(row | {"file": "consents/1.jsonl"})
