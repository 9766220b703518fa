"""A PostgreSQL server of a test's own, where the machine has the programs."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def running() -> Iterator[str]:
    """The URL of an empty database; the test is skipped where no server can be started."""
    programs = [shutil.which(name) for name in ("initdb", "postgres", "pg_ctl")]
    if None in programs:
        pytest.skip("the programs of PostgreSQL (initdb, postgres, pg_ctl) are absent")
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    try:
        owner = pwd.getpwnam(user)
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    # Not below the folders of pytest, into which nobody else may look.
    with tempfile.TemporaryDirectory(prefix="guiyi-postgres-") as folder:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        with _server(folder, user if os.getuid() == 0 else None) as port:
            yield f"postgresql://guiyi@127.0.0.1:{port}/postgres"


@contextmanager
def _server(folder: str, user: str | None) -> Iterator[int]:
    def run(*command: str) -> None:
        subprocess.run(
            command, check=True, user=user, cwd=folder, timeout=60, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "LANG": "C"},
        )

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    data = f"{folder}/data"
    run("initdb", "-D", data, "-U", "guiyi", "--auth=trust", "--no-sync", "-E", "UTF8")
    options = f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off"
    run("pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start")
    try:
        yield port
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
