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


def version_of(files: Mapping[str, bytes]) -> str:
    """The version that a snapshot of ``files`` has: a fingerprint of names and contents."""
    return hashlib.sha256(json.dumps(_sums(files)).encode()).hexdigest()[:16]


def _sums(files: Mapping[str, bytes]) -> dict[str, str]:
    return {key: hashlib.sha256(content).hexdigest() for key, content in sorted(files.items())}


def keep(root: Path, name: str, files: Mapping[str, bytes]) -> str:
    """Keep ``files`` as a version of ``name`` that no pointer names yet; returns the version."""
    version = version_of(files)
    folder = root / name / version
    if folder.exists():
        return version
    draft = root / name / f".{version}.{os.getpid()}"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for key, content in files.items():
            (draft / key).write_bytes(content)
        (draft / "manifest.json").write_text(json.dumps({"files": _sums(files)}, indent=1))
        draft.rename(folder)
    except OSError as error:
        raise StorageError(
            "a snapshot could not be written",
            got=str(error),
            where=str(folder),
            todo="free some disk space or mend the permissions, then run again",
        ) from error
    return version


def point(root: Path, name: str, version: str) -> None:
    """Make ``version`` the current one of ``name``; a reader sees the old or the new."""
    crash.point("snapshot.before_pointer")
    pointer = root / name / "current"
    fresh = pointer.with_suffix(f".{os.getpid()}")
    fresh.write_text(version)
    os.replace(fresh, pointer)


def current(root: Path, name: str) -> str | None:
    """Version that the pointer of ``name`` names; None before the first."""
    pointer = root / name / "current"
    return pointer.read_text().strip() if pointer.exists() else None


def read(root: Path, name: str, version: str | None = None) -> dict[str, bytes]:
    """Files of a snapshot, held against their checksums."""
    chosen = version or current(root, name)
    folder = root / name / (chosen or "current")
    if chosen is None or not folder.exists():
        raise NotFoundError(
            f"no snapshot {name!r} was published",
            expected=f"version {chosen}" if chosen else "a current version",
            got="none",
            where=str(folder),
        )
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
