"""One writer at a time: a lock file per job and partition, freed by the kernel when a run dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from schemas.errors import BusyError


@contextmanager
def exclusive(folder: Path, name: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock ``name``; BusyError (exit 75) when another run keeps it past ``wait_s``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('/', '-')}.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(handle, name, path, wait_s)
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


def _take(handle: int, name: str, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() < deadline:
                time.sleep(0.05)
                continue
            raise BusyError(
                f"another run holds {name}",
                expected="one run at a time",
                got=f"process {path.read_text().strip() or 'unknown'}",
                where=str(path),
                todo="wait for it to end, then run again",
            ) from None
        return
