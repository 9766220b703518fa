"""Snapshots: immutable folders with a manifest and checksums, and a pointer that swaps atomically.

Loads neither DuckDB nor deltalake, so that the bidder may read what was published.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lake import crash
from schemas.errors import NotFoundError, StorageError


def version_of(files: Mapping[str, bytes]) -> str:
    """The version that a snapshot of ``files`` has: a fingerprint of names and contents."""
    return _version({key: hashlib.sha256(content).hexdigest() for key, content in files.items()})


def _version(sums: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(dict(sorted(sums.items()))).encode()).hexdigest()[:16]


class Writing:
    """A snapshot in the making, file after file, so that it need never be held whole."""

    def __init__(self, root: Path, name: str) -> None:
        self._place = root / name
        self._draft = self._place / f".draft.{os.getpid()}"
        self._sums: dict[str, str] = {}
        with _told(self._place):
            shutil.rmtree(self._draft, ignore_errors=True)
            self._draft.mkdir(parents=True)

    def add(self, key: str, content: bytes) -> None:
        """Write one file."""
        with _told(self._draft / key):
            (self._draft / key).write_bytes(content)
        self._sums[key] = hashlib.sha256(content).hexdigest()

    def finish(self) -> str:
        """Keep what was added as a version that no pointer names yet; returns the version."""
        version = _version(self._sums)
        with _told(self._place / version):
            if not (self._place / version).exists():
                manifest = json.dumps({"files": dict(sorted(self._sums.items()))}, indent=1)
                (self._draft / "manifest.json").write_text(manifest)
                self._draft.rename(self._place / version)
        return version

    def clear(self) -> None:
        """Remove what was not kept."""
        shutil.rmtree(self._draft, ignore_errors=True)


@contextmanager
def writing(root: Path, name: str) -> Iterator[Writing]:
    """A snapshot of ``name`` to add files to and ``finish``; without that, nothing is left."""
    draft = Writing(root, name)
    try:
        yield draft
    finally:
        draft.clear()


@contextmanager
def _told(where: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            "a snapshot could not be written",
            got=str(error),
            where=str(where),
            todo="free some disk space or mend the permissions, then run again",
        ) from error


def keep(root: Path, name: str, files: Mapping[str, bytes]) -> str:
    """Keep ``files`` as a version of ``name`` that no pointer names yet; returns the version."""
    with writing(root, name) as draft:
        for key, content in files.items():
            draft.add(key, content)
        return draft.finish()


def drop(root: Path, name: str, named: Container[str]) -> int:
    """Remove the versions of ``name`` that are not ``named``; returns how many."""
    stale = [path for path in _folders(root / name) if path.name not in named]
    for path in stale:
        shutil.rmtree(path)
    return len(stale)


def _folders(place: Path) -> list[Path]:
    return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


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


def place(root: Path, name: str, version: str | None = None) -> Path:
    """Folder of a snapshot, the current one or that of ``version``, for who reads part of it."""
    chosen = version or current(root, name)
    folder = root / name / (chosen or "current")
    if chosen is None or not folder.exists():
        raise NotFoundError(
            f"no snapshot {name!r} was published",
            expected=f"version {chosen}" if chosen else "a current version",
            got="none",
            where=str(folder),
            todo="name a version that is kept there, or run a release, which publishes one",
        )
    return folder


def read(root: Path, name: str, version: str | None = None) -> dict[str, bytes]:
    """Files of a snapshot, held against their checksums."""
    folder = place(root, name, version)
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
