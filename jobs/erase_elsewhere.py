"""Where a person may lie beside the tables and the landing: exports, copies, histories, caches.

What was found first is written down before anything is deleted, so that a run after a crash still
tells it in the receipt. It holds counts and names of exports, and nothing of the person.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from lake import exports
from lake.engines.duckdb import Session
from lake.store import Lake
from pipelines.erasure.lines import spelt

JOURNALS = "erasures"
"""Folder of what was found first, by erasure; also of receipts' keys."""
_LEFT = {"landing", "tables", "snapshots", "exports", "locks", "restated", JOURNALS}


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Exports by name and version, copies of the lake, files to delete, and lines to drop."""

    exports: list[tuple[str, str]]
    copies: list[Path]
    files: list[Path]
    histories: dict[Path, int]

    def first_found(
        self, lake: Lake, erasure_id: str, landing: dict[str, dict[str, int]]
    ) -> dict[str, Any]:
        """What was where when this erasure was first carried out; durable before it returns."""
        path = lake.root / JOURNALS / f"{erasure_id}.json"
        if not path.exists():
            path.parent.mkdir(exist_ok=True, mode=0o700)
            told = {
                "landing": landing,
                "exports": [f"{name}/{version}" for name, version in self.exports],
                "copies_of_the_lake": len(self.copies),
                "files": sorted(str(one.relative_to(lake.root)) for one in self.files),
                "lines_of_histories": sum(self.histories.values()),
            }
            _durable(path, msgspec.json.encode(told))
        found: dict[str, Any] = msgspec.json.decode(path.read_bytes())
        return found


def found_elsewhere(lake: Lake, session: Session, spellings: set[str]) -> Elsewhere:
    """Look for the person of ``erase_names``, written as ``spellings``, beside tables and landing.

    A copy of the lake made by ``--restate`` is found whether it holds the person or not: it can be
    made again. So is the report, which is written anew.
    """
    copies = sorted(path for path in (lake.root / "restated").glob("*") if path.is_dir())
    pattern = spelt(spellings)
    files, histories = [], {}
    for path in _others(lake.root):
        content = path.read_bytes()
        if path.name == "runs.jsonl" and pattern is not None:
            count = sum(bool(pattern.search(line)) for line in content.splitlines())
            if count:
                histories[path] = count
        elif path.name == "report.html" or pattern is not None and pattern.search(content):
            files.append(path)
    return Elsewhere(_exports_of(lake, session), copies, files, histories)


def clean(lake: Lake, found: Elsewhere, erasure_id: str) -> None:
    """Delete what was found, and withdraw the exports."""
    for name, version in found.exports:
        exports.withdraw(lake.exports, name, version, f"erasure {erasure_id}")
    for path in found.copies:
        shutil.rmtree(path)
    for path in found.files:
        path.unlink()
    for path in found.histories:
        _drop_lines(path, spelt_again=found)


def _others(root: Path) -> Iterator[Path]:
    """Files of the lake that no other step looks after; databases are their services' own."""
    for folder in sorted(root.iterdir()):
        if folder.name in _LEFT or folder.is_symlink():
            continue
        for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
            is_other = path.suffix not in (".secret", ".db") and ".db-" not in path.name
            if path.is_file() and is_other:
                yield path
