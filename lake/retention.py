"""Throws away files that no kept release names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lake.releases import Release


def vacuum(root: Path, releases: Sequence[Release], keep: int) -> dict[str, int]:
    """Remove data files named by none of the newest ``keep`` releases; returns counts per table.

    Files of an open draft are named by no release, so the caller holds the writer lock. Older
    releases stay listed, and reading one says that its files are gone.
    """
    kept = releases[-keep:]
    removed = {}
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        name = folder.name
        if name == "releases":
            continue
        named = {file.path for release in kept for file in release.files(name)}
        stale = [path for path in folder.rglob("*.parquet") if _is_stale(folder, path, named)]
        for path in stale:
            path.unlink()
        removed[name] = len(stale)
    return removed


def _is_stale(folder: Path, path: Path, named: set[str]) -> bool:
    inside_log = "_delta_log" in path.relative_to(folder).parts
    return not inside_log and str(path) not in named
