"""Audiences over the bitmaps of 20 million persons, beside DuckDB and chDB over the tags' Parquet.

Bitmaps are those that a release publishes. Each side is a process of its own, over files that the
system has in its cache. ``new process`` is the first answer with all opening, imports apart; else
it is the median with all open. Ours is counted from definition to number, every time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import _audiences_world as world
from lake.store import open_lake
from pipelines.audiences.view import View, overlap
from schemas.audiences import Audience

ROOT = Path(__file__).parents[1]
RIVALS_PYTHON = ROOT / ".venv-rivals" / "bin" / "python"
FULL, QUICK, REPEATS, QUICK_REPEATS = 20_000_000, 60_000, 9, 2
COUNT_BAR, FIGURE_BAR, AIM_MS = 10.0, 1.0, 10.0
BUILD_BAR, SIZE_BAR = 0.5, 1.0
"""Bitmaps may cost twice the writing of the Parquet, and not be larger than it."""
SAMPLE = 1_000


def queries() -> dict[str, str]:
    """The same questions by hand, in SQL that both rivals read."""
    wheres = {name: sql for name, (_, sql) in world.AUDIENCES.items()}
    both = [
        f"sum(CASE WHEN ({left}) AND ({right}) THEN 1 ELSE 0 END)"
        for left in wheres.values() for right in wheres.values()
    ]
    found = {name: f"SELECT count(*) FROM {{tags}} WHERE {sql}" for name, sql in wheres.items()}
    found["overlap"] = f"SELECT {', '.join(both)} FROM {{tags}}"
    found["distribution"] = (
        f"SELECT city, count(*) AS n FROM {{tags}} WHERE {wheres['coffee']} AND city IS NOT NULL "
        "GROUP BY city ORDER BY n DESC, city"
    )
    found["sample"] = (
        "SELECT count(DISTINCT person_no) FROM (SELECT person_no FROM {tags} "
        f"WHERE {wheres['coffee']} ORDER BY {{chance}} LIMIT {SAMPLE})"
    )
    found["contains"] = (
        f"SELECT count(*) FROM {{tags}} WHERE person_no = 4242 AND {wheres['by_range']}"
    )
    return found


def run_ours(folder: Path, repeats: int) -> dict[str, Any]:
    """Our answers, with seconds of the first and of the median."""
    lake = open_lake(folder)
    found: dict[str, Any] = {}
    start = time.perf_counter()
    with lake.reader(world.DAY) as session:
        audiences = world.audiences()
        view = View(
            session, lake.snapshots, world.DAY, world.tags(), audiences, zone=world.ZONE
        )
        opened = time.perf_counter() - start
        asked, persons = _asked(view, audiences)
        for name, ask in asked.items():
            seconds = []
            for _ in range(repeats + 1):
                begun = time.perf_counter()
                answer = ask()
                seconds.append(time.perf_counter() - begun)
            found[name] = {
                "answer": answer, "first_s": seconds[0] + (0 if found else opened),
                "median_s": statistics.median(seconds[1:]),
            }
        found["contains"]["median_s"] /= len(persons)
        found["contains"]["answer"] = int(view.selector.contains("by_range", 4242))
    return found


def _asked(
    view: View, audiences: Sequence[Audience]
) -> tuple[dict[str, Callable[[], Any]], list[int]]:
    """The questions, and the persons of whom it is asked whether they are in."""
    selector = view.selector
    names = [one.name for one in audiences]
    persons = random.Random(1).sample(range(len(view.bitmaps.everyone())), 1_000)
    return {
        **{one.name: partial(selector.count, one) for one in audiences},
        "overlap": lambda: overlap({name: view.members(name) for name in names}),
        "distribution": lambda: view.distribution(view.members("coffee"), "city"),
        "sample": lambda: len(selector.sample("coffee", SAMPLE, "s")),
        "contains": lambda: [selector.contains("by_range", person) for person in persons],
    }, persons


def run_make(folder: Path, persons: int) -> dict[str, Any]:
    """Make the release."""
    return world.make(folder, persons)


RUNS: dict[str, Callable[[Path, int], dict[str, Any]]] = {"ours": run_ours, "make": run_make}


def require_same(ours: dict[str, Any], rival: dict[str, Any]) -> None:
    """Fail unless both gave the same answers."""
    for name, one in ours.items():
        wanted, got = one["answer"], rival[name]["answer"]
        if name == "overlap":
            wanted = [number for row in wanted for number in row["with"].values()]
            got = [int(number) for number in got[0]]
        elif name == "distribution":
            wanted = {one["value"]: one["count"] for one in wanted["bins"]}
            got = {city: int(count) for city, count in got if city in wanted}
        else:
            got = int(got[0][0])
        if wanted != got:
            raise RuntimeError(f"the answers to {name} differ: {wanted} and {got}")


def measure(folder: Path, persons: int, repeats: int, python: str) -> list[dict[str, Any]]:
    """The comparisons; ``python`` is the interpreter whose environment has the rivals."""
    made, made_mb = _timed([sys.executable, "-m", "benchmarks.audiences", "--run", "make",
                            str(folder), str(persons)])
    ours, peak = _timed([sys.executable, "-m", "benchmarks.audiences", "--run", "ours",
                         str(folder), str(repeats)])
    asked = json.dumps(
        {"files": world.files(folder), "queries": queries(), "repeats": max(repeats // 3, 1)}
    )
    script = str(ROOT / "benchmarks" / "_audiences_rivals.py")
    rivals = {}
    for name in ("duckdb", "chdb"):
        rivals[name], _ = _timed([python, script, name], asked)
        require_same(ours, rivals[name])
    found = [
        _row(f"{persons:,} persons: {what}", ours[name][kind] * scale,
             rivals[rival][name][kind] * scale, f"{title} over the Parquet", unit, bar, peak)
        for what, name, kind, unit, scale, bar in QUESTIONS
        for rival, title in (("duckdb", "DuckDB"), ("chdb", "chDB"))
    ]
    for what, name in (("four conditions by value", "by_value"),
                       ("four conditions by range", "by_range")):
        found.append(_row(f"{persons:,} persons: count of {what}", ours[name]["median_s"] * 1e3,
                          AIM_MS, "the aim", "ms", 1.0, peak))
    title = "the Parquet of the same tags"
    return [
        *found,
        _row(f"{persons:,} persons: making seven tags' bitmaps", made["bitmaps_s"],
             made["parquet_s"], title, "s CPU", BUILD_BAR, made_mb),
        _row(f"{persons:,} persons: size of seven tags' bitmaps", made["bitmaps_mb"],
             made["parquet_mb"], title, "MB", SIZE_BAR, made_mb),
    ]


QUESTIONS = (
    ("count of four conditions by value", "by_value", "median_s", "ms", 1e3, COUNT_BAR),
    ("count of four conditions by value, new process", "by_value", "first_s", "ms", 1e3,
     FIGURE_BAR),
    ("count of four conditions by range", "by_range", "median_s", "ms", 1e3, COUNT_BAR),
    ("overlap of four audiences", "overlap", "median_s", "ms", 1e3, FIGURE_BAR),
    ("the city inside an audience", "distribution", "median_s", "ms", 1e3, FIGURE_BAR),
    (f"{SAMPLE:,} members by chance", "sample", "median_s", "ms", 1e3, FIGURE_BAR),
    ("is P in A", "contains", "median_s", "µs", 1e6, COUNT_BAR),
)


def _row(
    what: str, ours: float, rival: float, name: str, unit: str, bar: float, peak: float
) -> dict[str, Any]:
    ratio = rival / ours
    return {
        "what": what, "ours": round(ours, 3), "rival": round(rival, 3), "rival_name": name,
        "unit": unit, "ratio": round(ratio, 3), "bar": bar, "holds": ratio >= bar,
        "peak_mb": round(peak),
    }


def _timed(call: list[str], given: str = "") -> tuple[dict[str, Any], float]:
    """What a process of its own printed, and its peak memory in MB."""
    with subprocess.Popen(
        call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(given)
        process.stdin.close()
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(call[1:4])} failed with exit code {process.returncode}")
    found: dict[str, Any] = json.loads(text)
    return found, usage.ru_maxrss / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} persons")
    parser.add_argument("--persons", type=int, help=f"default {FULL:,}")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.run:
        what, folder, number = given.run
        print(json.dumps(RUNS[what](Path(folder), int(number))))
        return
    persons = given.persons or (QUICK if given.quick else FULL)
    repeats = QUICK_REPEATS if given.quick else REPEATS
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), persons, repeats, str(RIVALS_PYTHON))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores, {memory:.0f} GiB"
    if given.format == "json":
        print(json.dumps({"benchmark": "audiences", "machine": machine, "comparisons": found}))
        return
    for one in found:
        print(f"{one['what']}: {one['ours']} {one['unit']} beside {one['rival']} of "
              f"{one['rival_name']}, {one['ratio']} (bar {one['bar']}), peak {one['peak_mb']} MB")


if __name__ == "__main__":
    main()
