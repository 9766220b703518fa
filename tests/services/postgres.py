"""A PostgreSQL server of a test's own, where the machine has the programs."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """The URL of an empty database; the test is skipped where no server can be started."""
    programs = [shutil.which(name) for name in ("initdb", "postgres", "pg_ctl")]
    if None in programs:
        pytest.skip("the programs of PostgreSQL (initdb, postgres, pg_ctl) are absent")
    user = "postgres" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    try:
        owner = pwd.getpwnam(user)
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
    folder.mkdir(parents=True)
    if os.getuid() == 0:
        for place in [folder, *folder.parents[:2]]:
            os.chmod(place, 0o755)
        os.chown(folder, owner.pw_uid, owner.pw_gid)

    def run(*command: str) -> None:
        subprocess.run(
            command, check=True, user=user if os.getuid() == 0 else None, capture_output=True,
            cwd=folder, env={"PATH": os.environ["PATH"], "LANG": "C"}, timeout=60,
        )

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = str(folder / "data")
    run("initdb", "-D", data, "-U", "guiyi", "--auth=trust", "--no-sync", "-E", "UTF8")
    options = f"-p {port} -k {folder} -h 127.0.0.1 -c fsync=off"
    run("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")
    try:
        yield f"postgresql://guiyi@127.0.0.1:{port}/postgres"
    finally:
        run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
