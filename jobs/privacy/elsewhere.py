"""Where a person may lie beside the tables and the landing: exports, copies, histories, caches.

What was found first is written down before anything is deleted, so that a run after a crash still
tells it in the receipt. It holds counts and names of exports, and nothing of the person.
"""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import select

from jobs.settings import Settings
from lake import exports, traces
from lake.engines.duckdb import Session
from lake.erasing import MASK
from lake.store import Lake
from pipelines.erasure.lines import Found, spelt
from schemas.erasures import ERASURES
from services.database import open_database
from services.handovers import store as handovers

JOURNALS = "erasures"
"""Folder of what was found first, by erasure; also of receipts' keys."""
_PENDING = ".pending"
_SPILL = Path("cache", "spill")
"""Of processes that run, and gone with them."""
_LEFT = {
    "landing", "tables", "snapshots", "exports", "locks", "restated", "landed", "topics",
    "kafka", "streams", JOURNALS,
}
"""Looked after by others: what a broker and streaming jobs keep goes by its own retention."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Exports by name and version, copies of the lake, files to delete, and lines to drop."""

    exports: list[tuple[str, str]]
    """Also those that were withdrawn before: a copy in a folder may be left."""
    fresh: list[tuple[str, str]]
    """Those of them that are withdrawn now."""
    folders: list[Path]
    """Where exports lie: the lake's own, and folders of destinations."""
    handed_over: list[str]
    """What others were given: they must be told."""
    copies: list[Path]
    files: list[Path]
    histories: dict[Path, tuple[int, bytes]]
    """Lines or rows that name the person, and what is left without them."""

    def first_found(
        self, lake: Lake, erasure_id: str, landing: dict[str, dict[str, int]]
    ) -> dict[str, Any]:
        """What was where when this erasure was first carried out; durable before it returns."""
        if not journal(lake, erasure_id):
            told = {
                "landing": landing,
                "exports": [f"{name}/{version}" for name, version in self.fresh],
                "handed_over": self.handed_over,
                "copies_of_the_lake": len(self.copies),
                "files": sorted(str(one.relative_to(lake.root)) for one in self.files),
                "lines_of_files": sum(count for count, _ in self.histories.values()),
            }
            note(lake, erasure_id, told)
        return journal(lake, erasure_id)


def journal(lake: Lake, erasure_id: str) -> dict[str, Any]:
    """What was noted of an erasure; empty before anything was."""
    path = lake.root / JOURNALS / f"{erasure_id}.json"
    found: dict[str, Any] = msgspec.json.decode(path.read_bytes()) if path.exists() else {}
    return found


def note(lake: Lake, erasure_id: str, told: Mapping[str, Any]) -> None:
    """Write down what was where, so that it outlasts a crash."""
    path = lake.root / JOURNALS / f"{erasure_id}.json"
    path.parent.mkdir(exist_ok=True, mode=0o700)
    _durable(path, msgspec.json.encode(told))


def as_first_found(lake: Lake, erasure_id: str, found: Found) -> Found:
    """``found`` with what an earlier run had found and may have deleted already.

    Until the erasure is published this file has the person's values, as the tables still do.
    """
    path = lake.root / JOURNALS / f"{erasure_id}{_PENDING}"
    if path.exists():
        found.take_in(msgspec.json.decode(path.read_bytes(), type=Found))
    path.parent.mkdir(exist_ok=True, mode=0o700)
    _durable(path, msgspec.json.encode(found))
    return found


def forget_found(lake: Lake) -> None:
    """Remove the files of ``as_first_found`` of erasures that are published."""
    paths = sorted((lake.root / JOURNALS).glob(f"*{_PENDING}"))
    if not paths:
        return
    with lake.reader() as session:
        done = {str(one) for (one,) in session.rows(f"SELECT erasure_id FROM {ERASURES}")}
    for path in paths:
        if path.stem in done:
            path.unlink()


def found_elsewhere(
    lake: Lake, settings: Settings, session: Session, spellings: set[str]
) -> Elsewhere:
    """Look for the person of ``erase_names``, written as ``spellings``, beside tables and landing.

    A copy of the lake made by ``--restate`` is found whether it holds the person or not: it can be
    made again. So is the report, which is written anew.
    """
    copies = sorted(path for path in (lake.root / "restated").glob("*") if path.is_dir())
    pattern = spelt(spellings)
    files: list[Path] = []
    histories: dict[Path, tuple[int, bytes]] = {}
    folders = [lake.exports] + [
        lake.root / one.folder.path for one in settings.destinations if one.folder is not None
    ]
    for path in _others(lake.root):
        if any(path.is_relative_to(folder) for folder in folders):
            continue
        if path.name == "report.html":
            files.append(path)
        elif pattern is not None and any(pattern.search(form) for form in traces.forms(path)):
            if path.name == "runs.jsonl":
                histories[path] = _without_lines(path, pattern)
            elif path.suffix == ".parquet":
                histories[path] = _without_rows(path, pattern)
            else:
                files.append(path)
    held = exports_of(lake, session, pattern)
    given = handed_over(lake, session, held)
    fresh = [place for place in held if not exports.is_withdrawn(lake.exports, *place)]
    return Elsewhere(held, fresh, folders, given, copies, files, histories)


def _without_lines(path: Path, pattern: re.Pattern[bytes]) -> tuple[int, bytes]:
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not pattern.search(line)]
    return len(lines) - len(kept), b"".join(kept)


def _without_rows(path: Path, pattern: re.Pattern[bytes]) -> tuple[int, bytes]:
    """Such are the answers of a generated world; what is left of them is still true."""
    table = pq.ParquetFile(path).read()
    is_kept = [not pattern.search(str(row).encode()) for row in table.to_pylist()]
    kept = table.filter(pa.array(is_kept, pa.bool_()))
    out = io.BytesIO()
    pq.write_table(kept, out)
    return len(table) - len(kept), out.getvalue()


def clean(lake: Lake, found: Elsewhere, erasure_id: str) -> None:
    """Delete what was found, and withdraw the exports."""
    for name, version in found.exports:
        for folder in found.folders:
            if (folder / name / version / exports.MANIFEST).exists():
                exports.withdraw(folder, name, version, f"erasure {erasure_id}")
    for path in found.copies:
        shutil.rmtree(path)
    for path in found.files:
        path.unlink()
    for path, (_, kept) in found.histories.items():
        _durable(path, kept)


def clean_reasons(lake: Lake, pattern: re.Pattern[bytes] | None) -> int:
    """Put out what ``pattern`` finds in reasons and errors of hand-overs; how many changed."""
    if pattern is None:
        return 0
    count = 0
    with closing(open_database(lake.root)) as database, database.session() as session:
        for row in session.scalars(select(handovers.HandoverRow)):
            for name in ("reason", "error"):
                text = getattr(row, name) or ""
                fresh = pattern.sub(MASK, text.encode()).decode()
                if fresh != text:
                    setattr(row, name, fresh)
                    count += 1
    return count


def _others(root: Path) -> Iterator[Path]:
    """Files of the lake that no other step looks after; databases are their services' own."""
    for folder in sorted(root.iterdir()):
        if folder.name in _LEFT or folder.is_symlink():
            continue
        for path in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
            if path.is_relative_to(root / _SPILL):
                continue
            is_other = path.suffix not in (".secret", ".db") and ".db-" not in path.name
            if path.is_file() and is_other:
                yield path


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """On which dates the person of ``erase_names`` was known, and which audiences are without them.
    """

    without: set[tuple[object, ...]]
    """Audience, its version and date, where it is written down who was in it, and not they."""
    without_them: set[object]
    """Published dates of which they have no tags."""

    @classmethod
    def of(cls, session: Session) -> Whereabouts:
        """As the open release tells."""
        theirs = "one_id IN (SELECT one_id FROM erase_names) " \
            "OR person_no IN (SELECT person_no FROM erase_numbers)"
        without = session.rows(
            "SELECT audience, version, business_date FROM audience_members "
            f"GROUP BY ALL HAVING NOT bool_or({theirs})"
        )
        days = session.rows(
            f"SELECT business_date FROM tag_values GROUP BY ALL HAVING NOT bool_or({theirs})"
        )
        return cls(set(without), {day for (day,) in days})

    def may_be_in(self, audience: object, version: object, day: date) -> bool:
        """Whether they may have been in a version of an audience on a date."""
        return (audience, version, day) not in self.without and day not in self.without_them


def exports_of(
    lake: Lake, session: Session, pattern: re.Pattern[bytes] | None = None
) -> list[tuple[str, str]]:
    """Exports, also withdrawn ones, in which the person of ``erase_names`` may have been.

    Those of an audience on a date on which nobody wrote down that they were not in it, and those
    whose clear values ``pattern`` finds. A delta has rows of its base too.
    """
    places = Whereabouts.of(session)
    return [
        (manifest["export"], manifest["version"])
        for manifest in exports.versions(lake.exports)
        if any(places.may_be_in(*one) for one in _places(lake, manifest))
        or (pattern is not None and _is_spelt(lake, manifest, pattern))
    ]


def handed_over(lake: Lake, session: Session, held: Sequence[tuple[str, str]]) -> list[str]:
    """Which exports went to whom: of those ``held``, and of audiences in which they may have been.

    A delivery that was tried and did not end may have arrived.
    """
    places, found = Whereabouts.of(session), []
    with closing(open_database(lake.root)) as database, database.reading() as opened:
        for one in handovers.every(opened):
            key = one.key
            if one.attempts and (
                (key.export, one.version) in held
                or places.may_be_in(key.audience, key.audience_version, key.business_date)
            ):
                told = "" if one.delivered_at is not None else " (may have arrived)"
                found.append(f"{key.export}/{one.version} to {key.destination}{told}")
    return found


def _places(
    lake: Lake, manifest: dict[str, Any]
) -> Iterator[tuple[object, object, date]]:
    at: dict[str, Any] | None = manifest
    while at is not None:
        day = date.fromisoformat(at["business_date"])
        yield at.get("audience"), at.get("audience_version"), day
        name, base = manifest["export"], at.get("base")
        at = exports.manifest(lake.exports, name, base) if base else None


def _is_spelt(lake: Lake, manifest: dict[str, Any], pattern: re.Pattern[bytes]) -> bool:
    folder = lake.exports / manifest["export"] / manifest["version"]
    # By what lies there: manifests of long ago name no parts.
    parts = [path for path in sorted(folder.iterdir()) if path.name != exports.MANIFEST]
    return any(pattern.search(form) for path in parts for form in traces.forms(path))


def _durable(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    os.replace(fresh, path)
