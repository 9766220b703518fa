"""One answer on all engines: a step gives the same table wherever it runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pytest

from jobs import settings
from lake.engines import duckdb as embedded
from lake.engines import spark as outgrown
from lake.store import Lake
from pipelines.ingest.normalising import normalise_step
from pipelines.tags import declared
from pipelines.tags.cells import all_cells
from pipelines.tags.partials import Slot, numbers_step, slots_of, values_step
from schemas.step import Step


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java 17, and there is none on this machine")
    session = outgrown.session(tmp_path_factory.mktemp("spark"))
    yield session
    session.stop()


def on_duckdb(lake: Lake, step: Step) -> pa.Table:
    with lake.reader() as session:
        return embedded.run(session, step, {name: name for name in step.reads})


def on_spark(spark: Any, lake: Lake, step: Step) -> pa.Table:
    release = lake.release()
    paths = {name: [file.path for file in release.files(name)] for name in step.reads}
    return outgrown.run(spark, step, paths)


def rows(table: pa.Table) -> list[str]:
    return sorted(str(row) for row in table.to_pylist())


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_rows_step_gives_the_same_table_on_spark(sample_lake: Lake, spark: Any) -> None:
    step = normalise_step(settings.read().programme.region)
    assert step.kind == "rows"
    here, there = on_duckdb(sample_lake, step), on_spark(spark, sample_lake, step)
    assert here.num_rows > 500
    assert rows(here) == rows(there)


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("make", [numbers_step, values_step])
def test_an_sql_step_gives_the_same_table_on_spark(
    sample_lake: Lake, spark: Any, make: Callable[[Sequence[Slot]], Step]
) -> None:
    step = make(slots_of(all_cells(declared(settings.read().tags))))
    assert step.kind == "sql"
    here, there = on_duckdb(sample_lake, step), on_spark(spark, sample_lake, step)
    assert here.num_rows > 500
    assert rows(here) == rows(there)
