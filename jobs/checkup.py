"""Examines the machine: packages, memory, disk, lake and the parts of engines; says how to mend."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from jobs import settings
from lake.engines import parts
from lake.engines.parts import Part
from lake.store import Lake
from schemas.errors import GuiyiError

CORE = (
    "duckdb",
    "deltalake",
    "pyarrow",
    "networkx",
    "sklearn",
    "great_expectations",
    "phonenumbers",
)
EXTRAS = {"fastapi": "serve", "splink": "fuzzy", "psycopg": "postgres"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; ``needed`` by the core, or only by what is named."""

    name: str
    well: bool
    found: str
    mend: str = ""
    needed: bool = True

    def row(self) -> dict[str, object]:
        """The check as a line of a table."""
        state = "well" if self.well else ("missing" if self.needed else "absent")
        return {
            "check": self.name,
            "state": state,
            "found": self.found,
            "to mend": "" if self.well else self.mend,
        }


def examine(data: str | None, conf: Path | None = None) -> list[Check]:
    """Every check, the core's first."""
    root = Path(data or os.environ.get("GUIYI_DATA") or "data")
    checks = [_python(), *(_package(name, None) for name in CORE), _memory(), _disk(root)]
    checks += [_definitions(conf), _lake(root)]
    checks += [_package(name, extra) for name, extra in EXTRAS.items()]
    return checks + [_part(part) for part in parts.every()]


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    return Check(
        "python", (3, 11) <= sys.version_info[:2] < (3, 13), version, "install Python 3.11"
    )


def _package(name: str, extra: str | None) -> Check:
    there = importlib.util.find_spec(name) is not None
    mend = f"pip install 'guiyi[{extra}]'" if extra else "make run makes the environment"
    return Check(name, there, "installed" if there else "not installed", mend, extra is None)


def _part(part: Part) -> Check:
    found = part.look()
    return Check(f"{part.name} ({part.of})", found.is_well, found.says, part.mend, False)


def _memory() -> Check:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return Check("memory", total >= 4, f"{total:.0f} GB", "the sample world needs 4 GB")


def _disk(root: Path) -> Check:
    place = next(p for p in (root, *root.absolute().parents) if p.exists())
    free = shutil.disk_usage(place).free / 1e9
    return Check("disk", free >= 3, f"{free:.0f} GB free at {place}", "free 3 GB")


def _definitions(conf: Path | None) -> Check:
    try:
        read = settings.read(conf)
    except GuiyiError as error:
        return Check("definitions", False, str(error).replace("\n", ";"), "mend the line named")
    return Check("definitions", True, f"{len(read.sources)} sources, {len(read.tags)} tag files")


def _lake(root: Path) -> Check:
    if not root.is_dir():
        return Check("lake", False, f"none at {root}", "run `guiyi generate`", False)
    known = Lake(root).releases()
    newest = f", newest of {known[-1].business_date}" if known else ""
    return Check("lake", True, f"{len(known)} releases at {root}{newest}", needed=False)
