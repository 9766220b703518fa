"""A small world read into memory: its files by path and its truth."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import pyarrow as pa

from pipelines.world import RawFile, generate


@dataclass
class Small:
    files: dict[str, RawFile]
    truth: dict[str, pa.Table]

    def lines(self, path: str) -> list[bytes]:
        """Return a file's physical lines, unpacked."""
        content = self.files[path].content
        if path.endswith(".gz"):
            content = gzip.decompress(content)
        assert content.endswith(b"\n")
        return content[:-1].split(b"\n")

    def rows(self, table: str) -> list[dict]:
        """Return a truth table's rows."""
        return self.truth[table].to_pylist()

    def paths(self, source: str) -> list[str]:
        """Return a source's paths, sorted."""
        return sorted(path for path, one in self.files.items() if one.source == source)


def make(**settings: object) -> Small:
    world = generate(**settings)
    return Small({one.path: one for one in world.files}, world.truth)
