"""Exports on disk: a folder per version, whole or not there.

``root/NAME/VERSION`` holds the parts and ``manifest.json``. A draft beside it, hidden, gets that
name at the very end. A version withdrawn keeps its manifest, without files, so that it is never
taken for one that has still to be written.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import duckdb

from lake import crash
from schemas.errors import NotFoundError, StorageError

MANIFEST = "manifest.json"
READ_BYTES = 1 << 20


class Sink:
    """A file in the making: takes bytes, and tells how many and their SHA-256."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._digest, self.size = file, hashlib.sha256(), 0
        self.closed = False

    def write(self, content: Any) -> int:
        """Append ``content``, any buffer of bytes."""
        self._digest.update(content)
        length = memoryview(content).nbytes
        self._file.write(content)
        self.size += length
        return length

    def flush(self) -> None:
        """Nothing: what is written lies in the file once the part ends."""

    @property
    def sha256(self) -> str:
        """Sum of what was written, in hexadecimal."""
        return self._digest.hexdigest()


class Writing:
    """A version in the making: part after part, then the manifest."""

    def __init__(self, root: Path, name: str, version: str) -> None:
        self.folder = root / name / version
        self._draft = root / name / f".{version}.{os.getpid()}"
        self.parts: list[dict[str, Any]] = []

    @contextmanager
    def part(self, name: str) -> Iterator[Sink]:
        """A new file; it is entered with size and sum when the block ends well."""
        with open(self._draft / name, "wb", buffering=READ_BYTES) as file:
            sink = Sink(file)
            yield sink
            file.flush()
            os.fsync(file.fileno())
        self.parts.append({"name": name, "bytes": sink.size, "sha256": sink.sha256})
        crash.point("export.between_parts")

    def finish(self, manifest: Mapping[str, Any]) -> Path:
        """Write the manifest, then let the version be seen; returns its folder."""
        crash.point("export.before_manifest")
        _write_manifest(self._draft, manifest)
        crash.point("export.before_rename")
        self._draft.rename(self.folder)
        sync(self.folder.parent)
        crash.point("export.after_rename")
        return self.folder

    def begin(self) -> None:
        """Make room, clearing what a killed run has left."""
        place = self.folder.parent
        place.mkdir(parents=True, exist_ok=True)
        for stale in place.glob(".*"):
            shutil.rmtree(stale, ignore_errors=True)
        self._draft.mkdir()

    def clear(self) -> None:
        """Remove what was not finished."""
        shutil.rmtree(self._draft, ignore_errors=True)


@contextmanager
def writing(root: Path, name: str, version: str) -> Iterator[Writing]:
    """A version of the export ``name`` to write; unless it is finished nothing is left of it.

    One writer of a name at a time. StorageError when the disk is full, the folder is there already
    or cannot be written.
    """
    draft = Writing(root, name, version)
    with _told(draft.folder):
        if draft.folder.exists():
            raise StorageError(
                "this version of the export is there already", expected="a new version",
                got=version, where=str(draft.folder),
                todo="see `guiyi export show`; a version is never written twice",
            )
        draft.begin()
    try:
        with _told(draft.folder):
            yield draft
    finally:
        draft.clear()


@contextmanager
def _told(where: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise StorageError(
            "an export could not be written",
            got=str(error).splitlines()[0] if str(error) else type(error).__name__,
            where=str(where),
            todo="free some disk space or mend the permissions, then export again",
        ) from error


def _write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    fresh = folder / f".{MANIFEST}"
    text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
    with open(fresh, "w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, folder / MANIFEST)


def sync(path: Path) -> None:
    """Have a file or a folder outlast a failure of the machine."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def manifest(root: Path, name: str, version: str) -> dict[str, Any]:
    """The manifest of a version, withdrawn or not; NotFoundError when there is none."""
    path = root / name / version / MANIFEST
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        known = [one["version"] for one in versions(root, name)]
        raise NotFoundError(
            f"there is no such version of the export {name}",
            expected="one of " + ", ".join(known) if known else "a version that was written",
            got=version, where=str(path.parent), todo="see `guiyi export list`",
        ) from None
    return found


def has(root: Path, name: str, version: str) -> bool:
    """Whether this version of the export is written whole and not withdrawn."""
    return (root / name / version / MANIFEST).exists() and not is_withdrawn(root, name, version)


def is_withdrawn(root: Path, name: str, version: str) -> bool:
    """Whether this version was withdrawn, and so is never written again."""
    if not (root / name / version / MANIFEST).exists():
        return False
    return "withdrawn" in manifest(root, name, version)


def versions(root: Path, name: str | None = None) -> list[dict[str, Any]]:
    """Manifests of every version, withdrawn ones too, by name, then as they came to be."""
    pattern = f"{name or '[!.]*'}/[!.]*/{MANIFEST}"
    found = [_version(path) for path in root.glob(pattern)]
    return [one for _, one in sorted(found, key=lambda pair: (pair[1]["export"], pair[0]))]


def newest(root: Path) -> list[dict[str, Any]]:
    """The manifest of the newest version of every export: of its last date, there written last."""
    last = {one["export"]: one for one in versions(root) if "withdrawn" not in one}
    return list(last.values())


def _version(path: Path) -> tuple[tuple[str, int, str], dict[str, Any]]:
    """The manifest at ``path`` and its place in time: its date, then when it was written."""
    found = json.loads(path.read_text(encoding="utf-8"))
    found = {"export": path.parent.parent.name, "version": path.parent.name} | found
    place = (found.get("business_date", ""), path.stat().st_mtime_ns, path.parent.name)
    return place, found


def withdraw(root: Path, name: str, version: str, note: str) -> bool:
    """Delete the parts of a version and mark its manifest with ``note``; whether it was there.

    The version is never written again nor counted as written. May be called again after a crash.
    NotFoundError when there is no such version.
    """
    found = manifest(root, name, version)
    folder, is_new = root / name / version, "withdrawn" not in found
    with _told(folder):
        if is_new:
            at = (folder / MANIFEST).stat()
            _write_manifest(folder, found | {"withdrawn": note, "parts": []})
            os.utime(folder / MANIFEST, ns=(at.st_atime_ns, at.st_mtime_ns))
        crash.point("export.withdrawn")
        for path in folder.iterdir():
            if path.name != MANIFEST:
                path.unlink()
        sync(folder)
    return is_new


def discard(root: Path, name: str, version: str) -> None:
    """Remove a version that nobody was given, as if it had never been written."""
    folder = root / name / version
    with _told(folder):
        hidden = folder.with_name(f".{version}.{os.getpid()}")
        folder.rename(hidden)
        shutil.rmtree(hidden)


def faults(root: Path, name: str, version: str) -> list[str]:
    """What is wrong with the files of a version, held against its manifest; none when it is well.

    NotFoundError when there is no such version.
    """
    found, folder, wrong = manifest(root, name, version), root / name / version, []
    for part in found["parts"]:
        path = folder / part["name"]
        if not path.exists():
            wrong.append(f"{part['name']}: it is gone")
        elif path.stat().st_size != part["bytes"]:
            wrong.append(f"{part['name']}: {path.stat().st_size} bytes, not {part['bytes']}")
        elif sum_of(path) != part["sha256"]:
            wrong.append(f"{part['name']}: its SHA-256 is not {part['sha256']}")
    expected = {part["name"] for part in found["parts"]} | {MANIFEST}
    wrong += [f"{path.name}: the manifest does not name it"
              for path in sorted(folder.iterdir()) if path.name not in expected]
    return wrong


def sum_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
