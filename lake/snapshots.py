"""Snapshots: immutable folders with a manifest and checksums, and a pointer that swaps atomically.

Loads neither DuckDB nor deltalake, so that the bidder may read what was published.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from lake import crash
from schemas.errors import NotFoundError, StorageError


def publish(root: Path, name: str, files: Mapping[str, bytes]) -> str:
    """Publish ``files`` as the current snapshot ``name``; returns its version (a fingerprint)."""
    sums = {key: hashlib.sha256(content).hexdigest() for key, content in sorted(files.items())}
    version = hashlib.sha256(json.dumps(sums).encode()).hexdigest()[:16]
    folder = root / name / version
    if not folder.exists():
        draft = root / name / f".{version}.{os.getpid()}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for key, content in files.items():
            (draft / key).write_bytes(content)
        (draft / "manifest.json").write_text(json.dumps({"files": sums}, indent=1))
        draft.rename(folder)
    crash.point("snapshot.before_pointer")
    pointer = root / name / "current"
    fresh = pointer.with_suffix(f".{os.getpid()}")
    fresh.write_text(version)
    os.replace(fresh, pointer)
    return version


def current(root: Path, name: str) -> str:
    """Version that the pointer of ``name`` names."""
    pointer = root / name / "current"
    if not pointer.exists():
        raise NotFoundError(f"no snapshot {name!r} was published", where=str(pointer))
    return pointer.read_text().strip()


def read(root: Path, name: str, version: str | None = None) -> dict[str, bytes]:
    """Files of a snapshot, held against their checksums."""
    folder = root / name / (version or current(root, name))
    if not folder.exists():
        raise NotFoundError(f"no version {version} of the snapshot {name!r}", where=str(folder))
    sums = json.loads((folder / "manifest.json").read_text())["files"]
    files = {key: (folder / key).read_bytes() for key in sums}
    for key, content in files.items():
        if hashlib.sha256(content).hexdigest() != sums[key]:
            raise StorageError(
                "a snapshot is damaged",
                expected=f"sha256 {sums[key]}",
                got="another",
                where=str(folder / key),
                todo="publish it anew",
            )
    return files
