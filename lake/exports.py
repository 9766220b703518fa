"""Exports on disk: a folder per version, whole or not there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lake import crash
from schemas.errors import StorageError


def write(
    root: Path, name: str, version: str, files: Mapping[str, bytes], manifest: Mapping[str, Any]
) -> Path:
    """Write an export and return its folder ``root/name/version``; once there it never changes.

    The manifest comes last and the folder gets its name at the very end, so that a receiver sees
    a complete export or none. Writing the same version again does nothing.
    """
    folder = root / name / version
    if folder.exists():
        return folder
    draft = root / name / f".{version}.{os.getpid()}"
    try:
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for key, content in files.items():
            (draft / key).write_bytes(content)
        crash.point("export.before_manifest")
        text = json.dumps(manifest, indent=1, ensure_ascii=False, sort_keys=True)
        (draft / "manifest.json").write_text(text + "\n", encoding="utf-8")
        draft.rename(folder)
    except OSError as error:
        raise StorageError(
            "an export could not be written",
            got=str(error),
            where=str(folder),
            todo="free some disk space or mend the permissions, then export again",
        ) from error
    return folder


def has(root: Path, name: str, version: str) -> bool:
    """Whether this version of the export is written whole."""
    return (root / name / version / "manifest.json").exists()


def newest(root: Path) -> list[dict[str, Any]]:
    """The manifest of the newest version of every export: of its last date, there written last."""
    found = []
    for folder in sorted(path for path in root.glob("*") if path.is_dir()):
        versions = [_version(path) for path in folder.glob("[!.]*/manifest.json")]
        if versions:
            found.append(max(versions, key=lambda version: version[0])[1])
    return found


def _version(path: Path) -> tuple[tuple[str, int, str], dict[str, Any]]:
    """The manifest at ``path`` and its place in time: its date, then when it was written."""
    manifest = json.loads(path.read_text(encoding="utf-8"))
    place = (manifest.get("business_date", ""), path.stat().st_mtime_ns, path.parent.name)
    return place, manifest
