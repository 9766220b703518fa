"""Files of the landing are exchanged for fresh ones as one: all of them, or none yet.

Fresh files lie beside the old ones until a fresh manifest stands; from then on whoever comes
later ends what a crash left half done. Loads neither a dataframe nor a database.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from lake import crash


def beside(path: Path) -> Path:
    """Where the fresh file waits."""
    return path.with_name(path.name + ".erasing")


def mend(root: Path, manifest: Path) -> None:
    """End an exchange that was begun; the caller holds the landing's lock."""
    waiting = beside(manifest)
    if not waiting.exists():
        return
    for line in waiting.read_bytes().splitlines():
        path = root / msgspec.json.decode(line)["file"]
        if beside(path).exists():
            os.replace(beside(path), path)
            _sync(path.parent)
            crash.point("erase.between_files")
    os.replace(waiting, manifest)
    _sync(root)


def write(path: Path, content: bytes) -> None:
    """Write a fresh file beside ``path``, durably."""
    with open(beside(path), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
