"""The same release on runners of several processes: Prism (portable), Beam's own, Dask."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("apache_beam", reason="Beam is not installed")

from jobs import release, run
from jobs.beam.engine import engine
from jobs.engines import DUCKDB, Engine
from lake.engines.kafka import free_port
from lake.store import Lake
from tests import erasable
from tests.lakes import contents, same_landing

pytestmark = [pytest.mark.prove, pytest.mark.filterwarnings("default")]
ROOT = Path(__file__).parents[3]
PRISM = Path(os.environ.get("GUIYI_PRISM", ROOT / ".engines/prism/prism"))


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return erasable.landed(tmp_path_factory.mktemp("landed") / "lake")


@pytest.fixture(scope="module")
def wanted(landed: Lake) -> dict[str, tuple[object, ...]]:
    return published(landed, DUCKDB)


def published(lake: Lake, engine: Engine) -> dict[str, tuple[object, ...]]:
    release.publish(lake, erasable.settled(), erasable.LAST, "run", run.clock, engine=engine)
    return contents(lake)


@pytest.fixture
def prism(tmp_path: Path) -> Iterator[str]:
    """Where a running Prism takes jobs."""
    if not PRISM.exists():
        pytest.skip("Prism is absent: `make prism` builds it, with Go")
    port = free_port()
    with open(tmp_path / "prism.log", "wb") as said:
        server = subprocess.Popen(
            [str(PRISM), f"-job_port={port}", "-serve_http=false"], stdout=said, stderr=said
        )
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert server.poll() is None, (tmp_path / "prism.log").read_text()
        time.sleep(0.1)
    yield f"localhost:{port}"
    server.terminate()
    server.wait(10)


def test_a_release_on_prism_has_the_tables_of_one_on_duckdb(
    landed: Lake, wanted: dict[str, tuple[object, ...]], prism: str, tmp_path: Path
) -> None:
    lake = same_landing(landed, tmp_path / "lake")
    options = [
        "--runner=PortableRunner", f"--job_endpoint={prism}", "--environment_type=LOOPBACK",
    ]
    assert published(lake, engine(options)) == wanted


@pytest.mark.parametrize(
    "options",
    [
        ["--direct_num_workers=2", "--direct_running_mode=multi_processing"],
        ["--runner=DaskRunner", "--dask_npartitions=2"],
    ],
)
def test_a_release_on_several_processes_has_the_tables_of_one_on_duckdb(
    landed: Lake, wanted: dict[str, tuple[object, ...]], options: list[str], tmp_path: Path
) -> None:
    if "Dask" in options[0] and importlib.util.find_spec("distributed") is None:
        pytest.skip("Dask is absent: pip install 'apache-beam[dask]'")
    lake = same_landing(landed, tmp_path / "lake")
    assert published(lake, engine(options)) == wanted
