"""A release on Beam, from files and from ranges of topics, has the tables of one on DuckDB."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

pytest.importorskip("apache_beam", reason="Beam is not installed")

from jobs import release, run
from jobs.beam import ranges
from jobs.beam.engine import engine
from jobs.engines import DUCKDB, Engine
from jobs.topics import feed, land
from jobs.topics.place import topics_of
from lake.engines import beam
from lake.landed import LandedTable
from lake.store import Lake, open_lake
from schemas.errors import GuiyiError, UsageError
from tests import erasable
from tests.lakes import contents

pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def fed(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A lake whose events wait in topics, and its other files in the landing."""
    lake = open_lake(tmp_path_factory.mktemp("fed") / "lake", create=True)
    settled = erasable.settled()
    feed.feed(erasable.files(), topics_of(lake, settled), settled, lake.landing)
    return lake


def another(lake: Lake, root: Path) -> Lake:
    shutil.copytree(lake.root, root)
    return Lake(root)


def published(lake: Lake, engine: Engine) -> dict[str, tuple[object, ...]]:
    release.publish(lake, erasable.settled(), erasable.LAST, "run", run.clock, engine=engine)
    return contents(lake)


@pytest.mark.slow
def test_a_release_on_beam_has_the_tables_of_one_on_duckdb(fed: Lake, tmp_path: Path) -> None:
    here, there = another(fed, tmp_path / "duckdb"), another(fed, tmp_path / "beam")
    land.land(here, erasable.settled(), [])
    wanted = published(here, DUCKDB)
    assert published(there, engine([])) == wanted
    assert all(wanted[name][0] for name in ("events", "order_lines", "quarantine", "persons"))


@pytest.mark.slow
def test_ranges_are_landed_once_and_a_second_run_goes_on_from_there(
    fed: Lake, tmp_path: Path
) -> None:
    lake, settled = another(fed, tmp_path / "lake"), erasable.settled()
    count = ranges.land(lake, settled)
    assert count == sum(file.rows for file in LandedTable(lake.landed).files()) > 20
    assert ranges.land(lake, settled) == 0
    assert land.land(lake, settled, [])["events.app_events"].records == 0


def test_results_of_work_come_in_the_order_of_the_items(tmp_path: Path) -> None:
    assert beam.each(len, ["a", "", "abc"], tmp_path) == [1, 0, 3]
    assert beam.each(len, [], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_fails_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(GuiyiError, match="a pipeline of Beam failed\n  got: .*invalid literal"):
        beam.each(int, ["1", "one"], tmp_path)


def test_a_runner_that_nobody_has_is_a_mistake_of_the_call(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="this runner cannot be had"):
        beam.each(len, ["a"], tmp_path, ["--runner=NoSuchRunner"])
    with pytest.raises(UsageError, match="cannot be read"):
        beam.options_of("--x='")
