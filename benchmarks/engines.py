"""A first load of the same deliveries as one release on each engine, beside DuckDB.

Each engine has a process of its own, with all it starts (JVM, workers); rows are those delivered,
seconds those of ``guiyi job run release`` from its start to its end, memory is the sum of what
the processes hold for themselves (PSS) at the worst moment.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from domain.dates import cut
from jobs import settings
from jobs.release import last_date
from lake.landing import Landing
from lake.store import Lake, open_lake
from pipelines import world

RIVAL, ENGINES = "duckdb", ("spark",)
FULL, QUICK = 2_500, 40
"""Households of the sample world: all of it, or a few."""
EVERY_S = 0.5


def measure(landing: Landing, engines: Sequence[str]) -> dict[str, Any]:
    """The comparison as one object, one run of each engine, DuckDB first."""
    with tempfile.TemporaryDirectory() as folder:
        found = {name: _one(landing, name, Path(folder) / name) for name in (RIVAL, *engines)}
    rows, base, _ = found[RIVAL]
    comparisons = [
        {
            "what": f"a first load of {rows:,} delivered rows as a release on {name}, "
            f"{round(rows / seconds):,} rows/s",
            "ours": round(seconds, 1),
            "rival": round(base, 1),
            "rival_name": f"the same on DuckDB, {round(rows / base):,} rows/s, "
            f"peak {round(found[RIVAL][2])} MB",
            "unit": "s",
            "ratio": round(base / seconds, 3),
            "bar": 0.0,
            "holds": True,
            "peak_mb": round(peak),
        }
        for name, (_, seconds, peak) in found.items() if name != RIVAL
    ]
    return {"benchmark": "engines", "machine": _machine(), "comparisons": comparisons}


def _one(landing: Landing, engine: str, root: Path) -> tuple[int, float, float]:
    """Rows that were delivered, seconds, and peak memory in MB."""
    root.mkdir(parents=True)
    (root / "landing").symlink_to(landing.root.absolute())
    lake = Lake(root)
    day = last_date(lake, settings.read())
    call = [sys.executable, "-m", "jobs.cli", "job", "run", "release", "--date", str(day)]
    began = time.perf_counter()
    with subprocess.Popen(
        [*call, "--engine", engine], env=os.environ | {"GUIYI_DATA": str(root)},
        stdout=subprocess.DEVNULL,
    ) as process:
        watch = _Watch(process.pid)
        watch.start()
        process.wait()
    seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"the release on {engine} ended with exit code {process.returncode}")
    with lake.reader() as session:
        ((rows,),) = session.rows("SELECT sum(count_rows) FROM deliveries")
    return int(str(rows)), seconds, watch.peak_mb


class _Watch(threading.Thread):
    """Looks at a process and all that it started until it ends; keeps the greatest sum."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak_mb = pid, 0.0

    def run(self) -> None:
        while Path(f"/proc/{self.pid}/smaps_rollup").exists():
            self.peak_mb = max(self.peak_mb, sum(map(_pss_mb, _family(self.pid))))
            time.sleep(EVERY_S)


def _family(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        parents.setdefault(parent, []).append(int(stat.parent.name))
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return found


def _pss_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _landed(households: int, events: int | None, root: Path) -> Landing:
    """The sample world of so many households, or the generated one of about so many events."""
    lake = open_lake(root, create=True)
    programme = settings.read().programme
    end = cut(date(2017, 12, 31), programme.zone, programme.cut_hours)
    if events:
        made = world.generate_at_scale(max(events // 100, 1_000), events, 1, "basic")
    else:
        made = world.generate(seed=1, households=None if households >= FULL else households)
    lake.landing.receive(file for file in made.files if file.delivered_at < end)
    return lake.landing


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} households")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--households", type=int, help=f"default {FULL:,}: the whole world")
    parser.add_argument("--events", type=int, help="of a generated world, in its place")
    parser.add_argument("--landing", type=Path, help="a landing that is there, in its place")
    parser.add_argument("--engines", default=",".join(ENGINES))
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        households = given.households or (QUICK if given.quick else FULL)
        landing = Landing(given.landing) if given.landing else _landed(
            households, given.events, Path(folder)
        )
        found = measure(landing, given.engines.split(","))
    if given.format == "json":
        print(json.dumps(found))
        return
    for one in found["comparisons"]:
        print(
            f"{one['what']}: {one['ours']} s, peak {one['peak_mb']} MB; {one['rival_name']}: "
            f"{one['rival']} s, on {found['machine']}"
        )


if __name__ == "__main__":
    main()
