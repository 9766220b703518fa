"""Real servers for the tests, each a process that can be killed and started again on its port."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lake import export_parts, exports
from lake.destinations import Package

RCLONE = Path(sys.executable).with_name("rclone")


class Server:
    """A process that listens on ``port`` once it is up."""

    def __init__(self, command: list[str], port: int, folder: Path) -> None:
        self._command, self.port, self.folder = command, port, folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        assert not _listens(self.port), "it runs already"
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            cwd=Path(__file__).parents[3],
        )
        deadline = time.monotonic() + 20
        while not _listens(self.port):
            assert time.monotonic() < deadline, f"{self._command[:3]} does not listen"
            assert self._process.poll() is None, f"{self._command[:3]} has ended"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it as ``kill -9`` would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def wait(self) -> None:
        """Wait until it has ended by itself."""
        assert self._process is not None
        self._process.wait(timeout=20)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def rclone(kind: str, folder: Path, *options: str) -> Iterator[Server]:
    """``rclone serve s3|sftp`` over a folder."""
    if not RCLONE.exists():
        pytest.skip("rclone is absent: it comes with the environment of `make check`")
    port = free_port()
    command = [str(RCLONE), "serve", kind, str(folder), "--addr", f"127.0.0.1:{port}",
               "--config", "", "--vfs-cache-mode", "off", "--dir-cache-time", "300ms", *options]
    server = Server(command, port, folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def receiver(folder: Path, secret: str) -> Iterator[Server]:
    """A receiver of webhooks."""
    port = free_port()
    command = [sys.executable, "-m", "tests.lake.destinations.receiver", str(port), str(folder),
               secret]
    server = Server(command, port, folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def package(root: Path, rows: int = 2500, per_part: int = 1000) -> Package:
    """A version of the export x in csv, as it lies below ``root``."""
    import pyarrow as pa

    lines = pa.table({"line": pa.array([f"{n:064x}\n" for n in range(rows)], pa.string())})
    with exports.writing(root, "x", "v1") as draft:
        count = export_parts.write_csv(draft, lines.to_batches(500), "h\n", per_part, False)
        draft.finish({"export": "x", "version": "v1", "rows": count, "parts": draft.parts})
    return Package.open(root, "x", "v1")


def is_whole(package: Package, folder: Path) -> bool:
    """Whether ``folder`` holds just the files of the package, byte by byte."""
    ours = {path.name: path.read_bytes() for path in package.folder.iterdir()}
    return ours == {path.name: path.read_bytes() for path in folder.iterdir()}
