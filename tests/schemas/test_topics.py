from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from domain import definitions
from jobs import settings
from lake import conf
from schemas.errors import ConfigError
from schemas.landed import LANDED_RECORDS
from schemas.table import is_allowed
from schemas.topics import TopicRules


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("received_grain_s: 7", "divide an hour"),
        ("land_most: 0", "positive"),
        ("orphans_after_hours: -1", "orphans_after_hours"),
        ("topics: [{source: a}, {source: a}]", "two topics"),
        ("topics: [{source: a, partitions: 0}]", "partitions"),
        ("topics: [{source: a, keep_for_days: 0}]", "keep_for_days"),
    ],
)
def test_what_would_fail_at_run_time_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        definitions.parse(text, "topics.yml", TopicRules)


@pytest.mark.parametrize(
    "topic", ["{source: erp_orders}", "{source: nobody}", "{source: consents, key: [nothing]}"]
)
def test_a_source_that_cannot_come_over_a_topic_is_refused(tmp_path: Path, topic: str) -> None:
    shutil.copytree(conf.folder() / "base", tmp_path / "base")
    (tmp_path / "base" / "topics.yml").write_text(f"topics: [{topic}]\n")
    with pytest.raises(ConfigError, match="cannot come over a topic"):
        settings.read(tmp_path)


def test_definitions_without_topics_have_none(tmp_path: Path) -> None:
    shutil.copytree(conf.folder() / "base", tmp_path / "base")
    (tmp_path / "base" / "topics.yml").unlink()
    assert settings.read(tmp_path).topics.topics == []


def test_landed_records_have_columns_that_every_engine_reads() -> None:
    assert all(is_allowed(field.type) for field in LANDED_RECORDS.schema)
