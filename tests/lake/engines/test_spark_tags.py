"""Every measure of the tag vocabulary on Spark: what a count by hand says, and DuckDB."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake.draft import Draft
from lake.engines.spark import SparkCluster
from pipelines.tags import publish_tags, refresh_partials
from pipelines.tags.cells import all_cells
from tests import tiny
from tests.pipelines.tags.test_plans import differences
from tests.pipelines.tags.worlds import World, some_tags


def made(draft: Draft) -> dict[str, list[str]]:
    tables = ("partials", "partial_values", "person_measures", "tag_values")
    return {
        name: sorted(map(str, draft.session.table(f"SELECT * FROM {name}").to_pylist()))
        for name in tables
    }


@pytest.mark.slow
@pytest.mark.rule("CDP-6")
@pytest.mark.filterwarnings("default")
def test_every_measure_on_spark_equals_a_count_by_hand_and_duckdb(
    spark_cluster: SparkCluster, tmp_path: Path
) -> None:
    tags, world = some_tags(0), World(0)
    with tiny.tiny_draft(tmp_path) as draft:
        draft.cluster = spark_cluster
        tiny.put_products(draft)
        world.put_day(draft, 60)
        world.put_persons(draft)
        refresh_partials(draft, tags)
        publish_tags(draft, tags)
        assert differences(draft, tags, world) == []
        on_spark = made(draft)
        draft.cluster = None
        refresh_partials(draft, tags)
        publish_tags(draft, tags, is_direct=True)
        assert made(draft) == on_spark
        assert len(all_cells(tags)) > 60
        assert on_spark["person_measures"]
