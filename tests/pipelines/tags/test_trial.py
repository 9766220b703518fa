"""Tags tried on a release are what a release would publish, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake.store import Lake
from pipelines.tags import declared, publish_tags, refresh_partials, trial
from schemas.tag_definitions import Tag, TagFile
from tests import tiny
from tests.pipelines.tags.worlds import World, some_tags
from tests.tiny import tag


@pytest.fixture(scope="module")
def tags() -> list[Tag]:
    return some_tags(1)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory, tags: list[Tag]) -> Lake:
    """A world published with every second tag."""
    root, world = tmp_path_factory.mktemp("trial"), World(3)
    with tiny.tiny_draft(root) as draft:
        tiny.put_products(draft)
        world.put_day(draft, 80)
        world.put_persons(draft)
        refresh_partials(draft, tags[::2])
        publish_tags(draft, tags[::2])
        draft.publish("run", "inputs", "rules", lambda: tiny.LONG_AGO)
    return Lake(root)


def test_what_is_tried_is_what_would_be_published(
    lake: Lake, tags: list[Tag], tmp_path: Path
) -> None:
    names = [one.name for one in tags]
    release = lake.release()
    before = sorted(lake.tables.rglob("*"))
    with lake.session() as session:
        trial.try_tags(release.open(session), release, tags, names)
        tried = session.table(f"SELECT * FROM {trial.TRIED} ORDER BY person_no").to_pylist()
        assert [trial.beside_published(session, one) for one in tags[::2]] == [0] * len(tags[::2])
        assert trial.beside_published(session, tags[1]) is None
    assert sorted(lake.tables.rglob("*")) == before
    world = World(3)
    with tiny.tiny_draft(tmp_path) as draft:
        tiny.put_products(draft)
        world.put_day(draft, 80)
        world.put_persons(draft)
        refresh_partials(draft, tags)
        publish_tags(draft, tags)
        assert tiny.tag_rows(draft) == {row["one_id"]: row for row in tried}


def test_coverage_spread_and_a_sample_are_told(lake: Lake) -> None:
    counted = tag("counted", from_="events", measure="count", window="ever")
    big = tag("big", of="counted", type="boolean", condition={"operator": ">", "value": 10**6})
    both = declared([TagFile([counted, big])])
    release = lake.release()
    with lake.session() as session:
        count = trial.try_tags(release.open(session), release, both, ["big"])
        (columns,) = {tuple(session.table(f"SELECT * FROM {trial.TRIED}").schema.names)}
        told = trial.spread(session, big)
        shown = trial.sample(session, big, 2)
    assert columns == ("business_date", "one_id", "person_no", "big")
    assert (told["count_known"], told["share_known"]) == (count, 1.0)
    assert told["bins"] == [{"value": "false", "count": count}]
    assert [row["value"] for row in shown] == [False, False]
