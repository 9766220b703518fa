"""What every test shares: the same examples on every machine, and one small published lake."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from lake.engines import archive, spark
from lake.engines.kafka import Broker
from lake.engines.spark import SparkCluster
from lake.store import Lake
from schemas.errors import UsageError

settings.register_profile(
    "guiyi",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("guiyi")
os.environ["GUIYI_IDENTIFIER_SECRET"] = "a secret for tests only"


@pytest.fixture(scope="session")
def landed_world(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """The world of 140 households, enough for the model's gate, as delivered, nothing published."""
    from tests.lakes import land_world

    return land_world(tmp_path_factory.mktemp("world") / "data", households=140)


@pytest.fixture(scope="session")
def sample_lake(landed_world: Lake) -> Iterator[Lake]:
    """The same, published: the year up to the last two days as one cut, then these, exported.

    Read only: a test that changes it takes ``same_landing``.
    """
    from tests.lakes import last_days, run_job

    days = last_days(3)
    run_job(landed_world, "release", days)
    run_job(landed_world, "exports", days)
    before = os.environ.get("GUIYI_DATA")
    os.environ["GUIYI_DATA"] = str(landed_world.root)
    yield landed_world
    if before is None:
        del os.environ["GUIYI_DATA"]
    else:
        os.environ["GUIYI_DATA"] = before


@pytest.fixture(scope="session")
def has_kafka() -> None:
    """Java, the jars and the driver of Kafka are there; else the tests are skipped."""
    from lake.engines import parts

    try:
        parts.require(*parts.OF_ENGINE["kafka"])
    except UsageError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def broker(has_kafka: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A running Kafka of one node; topics of one test have names that no other has."""
    from lake.engines import kafka

    place = tmp_path_factory.mktemp("kafka")
    started = kafka.Broker(place, kafka.free_port(), options=kafka.QUICK)
    started.up()
    yield started
    started.down()


@pytest.fixture(scope="session")
def spark_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkCluster]:
    """The one session of Spark that all tests of a process share; skipped where a part is absent.
    """
    folder = tmp_path_factory.mktemp("spark")
    # Of a few rows, compiling costs more than it saves.
    quick = {
        "spark.driver.extraJavaOptions": f"{spark.java_options()} -XX:TieredStopAtLevel=1",
        "spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.shuffle.compress": "false", "spark.driver.memory": "1g",
    }
    try:
        cluster = SparkCluster(spark.session(folder, archive=archive.pack(folder / "guiyi.zip"),
                                             options=quick))
    except UsageError as error:
        pytest.skip(str(error))
    yield cluster
    cluster.spark.stop()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data beside the project; the test is skipped where it is absent."""
    place = Path(__file__).parents[1].parent / "shared" / "data"
    if not place.is_dir():
        pytest.skip("the real data beside the project (../shared/data) is absent")
    return place


RELEASING = (
    "tests/jobs/", "tests/pipelines/identity/test_scope_cases.py",
    "tests/pipelines/identity/test_resolve.py", "tests/pipelines/identity/test_moves.py",
    "tests/pipelines/identity/test_people.py", "tests/pipelines/identity/test_scope.py",
    "tests/pipelines/identity/test_decision_effects.py", "tests/pipelines/edges/test_resolve.py",
    "tests/pipelines/edges/test_moves.py", "tests/pipelines/ingest/test_load.py",
    "tests/pipelines/ingest/test_replay.py", "tests/pipelines/ingest/test_decisions.py",
    "tests/pipelines/tags/test_partials.py", "tests/pipelines/tags/test_definitions_log.py",
    "tests/pipelines/tags/test_trial.py", "tests/pipelines/tags/test_planning.py",
    "tests/models/test_daily.py", "tests/models/test_scores.py",
    "tests/models/test_bank_marketing.py",
)
"""Tests that publish release after release, or draw many worlds: together minutes."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the tests of releases to ``make test``, so that ``make check`` stays quick."""
    for item in items:
        if item.nodeid.startswith(RELEASING):
            item.add_marker(pytest.mark.slow)
