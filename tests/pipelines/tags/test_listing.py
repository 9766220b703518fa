"""The tags of a release as a table, and one of them over its dates."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from lake import snapshots
from lake.engines.duckdb import Session
from lake.store import open_lake
from pipelines.tags import (
    declared,
    log_definitions,
    publish_description,
    publish_tags,
    refresh_partials,
)
from pipelines.tags.listing import LISTED, coverage_by_date, listed
from schemas.errors import NotFoundError
from schemas.tag_bounds import TagBounds
from schemas.tag_definitions import TagFile
from schemas.tags import TAG_COVERAGE
from tests import tiny

BOUNDS = TagBounds(known=1, distance=1, min_persons=100)
PAID: dict[str, Any] = {
    "from_": "order_lines", "measure": "max", "field": "paid_minor", "window": "ever",
}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """The second of two releases, in which `dearest` has become `dearest_line`."""
    lake = open_lake(tmp_path_factory.mktemp("listing"), create=True)
    names: list[dict[str, Any]] = [
        {"name": "dearest"}, {"name": "dearest_line", "formerly": ["dearest"]}
    ]
    for later, named in enumerate(names):
        tags = declared([TagFile([tiny.tag(**named, **PAID)])])
        with tiny.tiny_draft(lake.root, tiny.DAY + timedelta(later)) as draft:
            if draft.parent is None:
                tiny.put_persons(draft, {"p": [1], "q": [2]})
            tiny.put_lines(draft, [(1 + later, tiny.at(-later), f"o{later}", 100 + later)])
            log_definitions(draft, tags, "lee")
            refresh_partials(draft, tags)
            publish_tags(draft, tags)
            with snapshots.writing(lake.snapshots, "tag_bitmaps") as kept:
                publish_description(draft, tags, BOUNDS, kept)
            draft.publish("run", "inputs", "rules", lambda: tiny.LONG_AGO)
    with lake.reader() as found:
        yield found


def test_the_tags_of_a_date_are_those_published_on_it(session: Session) -> None:
    found = listed(session, tiny.DAY + timedelta(1))
    assert found.schema == LISTED
    assert found.to_pylist() == [{
        "tag": "dearest_line", "label": "dearest_line", "kind": "rule", "type": "integer",
        "share_known": 1.0, "count_known": 2, "count_values": 2, "lowest": "100", "highest": "101",
    }]


@pytest.mark.parametrize("name", ["dearest", "dearest_line"])
def test_a_renamed_tag_has_its_past_under_both_names(session: Session, name: str) -> None:
    found = coverage_by_date(session, name)
    assert found.schema == TAG_COVERAGE.schema
    assert found.select(["tag", "count_known"]).to_pylist() == [
        {"tag": "dearest", "count_known": 1}, {"tag": "dearest_line", "count_known": 2},
    ]


def test_a_name_that_no_tag_had_is_told_with_those_there_were(session: Session) -> None:
    with pytest.raises(NotFoundError, match="did you mean `dearest`") as told:
        coverage_by_date(session, "dearst")
    assert told.value.expected == "one of dearest, dearest_line"


def test_before_the_first_release_there_is_nothing(tmp_path: Path) -> None:
    with tiny.tiny_draft(tmp_path) as draft:
        assert listed(draft.session, tiny.DAY).num_rows == 0
        with pytest.raises(NotFoundError, match="one of none"):
            coverage_by_date(draft.session, "dearest")
