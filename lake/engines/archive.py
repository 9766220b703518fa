"""Our packages as one zip, which goes to a cluster's workers with a job."""

from __future__ import annotations

import zipfile
from pathlib import Path

PACKAGES = ("schemas", "domain", "lake", "pipelines", "models", "jobs")
"""What work that is handed over may import, whatever folder that is installed in."""
_SUFFIXES = (".py", ".yml", ".html", ".css", ".typed")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def pack(path: Path) -> Path:
    """Write the zip to ``path``; the same code gives the same bytes."""
    root = Path(__file__).parents[2]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for package in PACKAGES:
            for source in sorted((root / package).rglob("*")):
                if source.is_file() and source.suffix in _SUFFIXES:
                    info = zipfile.ZipInfo(str(source.relative_to(root)), _EPOCH)
                    info.compress_type = zipfile.ZIP_DEFLATED
                    archive.writestr(info, source.read_bytes())
    return path
