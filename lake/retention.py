"""Throws away files that no kept release names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from lake import snapshots
from lake.releases import Release
from schemas.tags import TAG_BITMAPS


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


def vacuum_bitmaps(root: Path, releases: Sequence[Release], keep: int) -> int:
    """Remove the snapshots of tag bitmaps that none of the newest ``keep`` releases names.

    ``root`` is the folder of the snapshots; the caller holds the writer lock.
    """
    paths = {file.path for one in releases[-keep:] for file in one.files(TAG_BITMAPS.name)}
    named = {
        version
        for path in paths
        for version in pq.ParquetFile(path).read(columns=["version"])["version"].to_pylist()
    }
    return snapshots.drop(root, TAG_BITMAPS.name, named)


def _is_stale(folder: Path, path: Path, named: set[str]) -> bool:
    inside_log = "_delta_log" in path.relative_to(folder).parts
    return not inside_log and str(path) not in named
