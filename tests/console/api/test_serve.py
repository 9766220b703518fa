from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from lake.store import Lake
from services.database import open_database
from tests.console.api.calling import AUDIENCE, key_of


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'services.db'}"


@pytest.fixture
def key(tmp_path: Path, url: str) -> str:
    database = open_database(tmp_path, url)
    made = key_of(database, "admin", datetime.now(UTC))
    database.close()
    return made


@pytest.fixture
def server(sample_lake: Lake, url: str, key: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "jobs.cli", "serve", "--port", "0"]
    env = os.environ | {"GUIYI_DATA": str(sample_lake.root), "GUIYI_DATABASE": url,
                        "PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True) as started:
        yield started
        # Not killed: its workers would go on without it.
        started.terminate()


@pytest.mark.slow
def test_a_server_says_where_it_listens_answers_and_stops_when_told(
    server: subprocess.Popen[str], key: str
) -> None:
    assert server.stderr
    said = next(line for line in server.stderr if line.startswith("listening on"))
    address = re.search(r"http://\S+", said)
    assert address
    with httpx.Client(base_url=address[0], timeout=30) as client:
        assert client.get("/health").json()["status"] == "ok"
        assert client.get("/v1/audiences").status_code == 401
        headers = {"Authorization": f"Bearer {key}"}
        found = client.post("/v1/audiences", json=AUDIENCE, headers=headers)
        assert found.status_code == 201
        listed = client.get("/v1/audiences", headers=headers).json()["audiences"]
        assert AUDIENCE["name"] in [one["name"] for one in listed]
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=30) == 0
