"""Thirty tags over events of many days: direct beside a query by hand, one more day beside direct.

The direct plan and the query read the same events, take them to the same persons and write the same
Parquet; the two files are held against each other, value by value. One more day adds a date to what
was published, bitmaps, coverage and the release included; beside it stands the direct plan, first
alone, then with the same publishing. Persons have as many events as those of the sample world, and
once a third of that. CPU seconds, each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

from benchmarks import _tags_rival, _tags_world
from lake import conf, snapshots
from lake.draft import Draft
from lake.store import Lake, open_lake
from pipelines.tags import publish_description, publish_tags, refresh_partials
from pipelines.tags.cells import all_cells
from pipelines.tags.direct import direct
from pipelines.tags.factory import tag_query
from pipelines.tags.state import number_bundles
from pipelines.tags.vocabulary import tag_values_table
from schemas.tag_bounds import TagBounds

PER_DAY, PERSONS, DAYS = 50_000, 160_000, 400
QUICK = (500, 1_600, 40)
DIRECT_BAR, DAY_BAR, HISTORY_BAR = 1 / 1.3, 4, 1 / 1.1


def _publish(draft: Draft, lake: Lake) -> None:
    """Tags of the draft's date with all that goes with them, as a release."""
    tags = _tags_world.tags()
    (bounds,) = conf.load("tag_bounds.yml", TagBounds)
    refresh_partials(draft, tags)
    publish_tags(draft, tags)
    with snapshots.writing(lake.snapshots, "tag_bitmaps") as kept:
        publish_description(draft, tags, bounds, kept)
    draft.publish("run", "inputs", "rules", lambda: _tags_world.CLOCK)


def run_load(lake: Lake, _: Sequence[int]) -> float:
    """CPU seconds of the first load: partials of all dates, cells direct, everything published."""
    with _tags_world.open_draft(lake, lake.release().business_date) as draft:
        start = time.process_time()
        _publish(draft, lake)
        return time.process_time() - start


def run_day(lake: Lake, size: Sequence[int]) -> float:
    """CPU seconds of one more day; its events are there already."""
    per_day, persons, days = size
    with _tags_world.open_draft(lake, _tags_world.day_of(days)) as draft:
        _tags_world.add(draft, days, 1, per_day, _tags_world.bundles_of(persons))
        start = time.process_time()
        _publish(draft, lake)
        return time.process_time() - start


def run_direct(lake: Lake, _: Sequence[int]) -> float:
    """CPU seconds of the tags of the newest date from its events, to Parquet."""
    tags, day = _tags_world.tags(), lake.release().business_date
    with _tags_world.open_draft(lake, day) as draft:
        start = time.process_time()
        number_bundles(draft)
        cells = direct(all_cells(tags), day)
        draft.session.execute(f"CREATE TEMP TABLE measured AS {cells}")
        query = tag_query(tags, day, "measured").sql(dialect="duckdb")
        draft.session.write(query, tag_values_table(tags).schema, lake.root / "ours", None)
        return time.process_time() - start


def run_rival(lake: Lake, _: Sequence[int]) -> float:
    """CPU seconds of the same by the query that was written by hand."""
    tags, day = _tags_world.tags(), lake.release().business_date
    with _tags_world.open_draft(lake, day) as draft:
        start = time.process_time()
        schema = tag_values_table(tags).schema
        draft.session.write(_tags_rival.query(day), schema, lake.root / "rival", None)
        return time.process_time() - start


def run_whole(lake: Lake, _: Sequence[int]) -> float:
    """CPU seconds of the newest date published anew by the direct plan, partials apart."""
    tags = _tags_world.tags()
    (bounds,) = conf.load("tag_bounds.yml", TagBounds)
    with _tags_world.open_draft(lake, lake.release().business_date) as draft:
        start = time.process_time()
        publish_tags(draft, tags, is_direct=True)
        with snapshots.writing(lake.snapshots, "tag_bitmaps") as kept:
            publish_description(draft, tags, bounds, kept)
        draft.publish("run", "inputs", "rules", lambda: _tags_world.CLOCK)
        return time.process_time() - start


RUNS: dict[str, Callable[[Lake, Sequence[int]], float]] = {
    "load": run_load, "day": run_day, "direct": run_direct, "rival": run_rival, "whole": run_whole,
}


def require_same(folder: Path) -> None:
    """Fail unless the query by hand, the direct plan and the increment gave the same values."""
    day = open_lake(folder).release().business_date
    with duckdb.connect() as con:
        names = ", ".join(f'"{name}"' for name in tag_values_table(_tags_world.tags()).columns)
        read = [
            f"SELECT {names} FROM read_parquet('{folder}/{place}/*.parquet')"
            for place in ("rival", "ours", f"tables/tag_values/d={day}")
        ]
        for left, right in ((read[0], read[1]), (read[1], read[2])):
            for query in (f"{left} EXCEPT {right}", f"{right} EXCEPT {left}"):
                rows = con.sql(query).fetchmany(3)
                if rows:
                    raise RuntimeError(f"the plans differ, e.g. {rows[0]}")


def measure(per_day: int, persons: int, days: int, *, with_history: bool) -> list[dict[str, Any]]:
    """The comparisons of one world."""
    with tempfile.TemporaryDirectory() as name:
        folder, size = Path(name), (per_day, persons, days)
        _tags_world.make(folder, *(per_day, days, persons))
        _timed("load", folder, size)
        day, peak = _timed("day", folder, size)
        rival, _ = _timed("rival", folder, size)
        ours, peak_direct = _timed("direct", folder, size)
        require_same(folder)
        whole, _ = _timed("whole", folder, size)
    world = f"30 tags, {per_day * days:,} events of {days} days, {persons:,} persons"
    by_hand = f"query by hand, DuckDB {duckdb.__version__}"
    found = [
        _compared(f"{world}: direct", ours, rival, by_hand, DIRECT_BAR, peak_direct),
        _compared(f"{world}: one more day, published", day, ours, "own direct plan, to one file",
                  DAY_BAR, peak),
        _compared(f"{world}: one more day, published", day, whole,
                  "own direct plan, published too", DAY_BAR, peak),
    ]
    if with_history:
        found.append(_twice(per_day // 2, persons // 2, days))
    return found


def _twice(per_day: int, persons: int, days: int) -> dict[str, Any]:
    """One more day after ``days`` dates and after twice as many, as much happening on each."""
    seconds = []
    for number in (days, 2 * days):
        with tempfile.TemporaryDirectory() as name:
            folder, size = Path(name), (per_day, persons, number)
            _tags_world.make(folder, *(per_day, number, persons))
            _timed("load", folder, size)
            seconds.append(_timed("day", folder, size))
    (once, _), (twice, peak) = seconds
    what = f"one more day after {2 * days} days of {per_day:,} events"
    return _compared(what, twice, once, f"own, after {days} days", HISTORY_BAR, peak)


def _compared(
    what: str, ours: float, rival: float, name: str, bar: float, peak: float
) -> dict[str, Any]:
    ratio = rival / ours
    return {
        "what": what, "ours": round(ours, 2), "rival": round(rival, 2), "rival_name": name,
        "unit": "s CPU", "ratio": round(ratio, 3), "bar": round(bar, 3), "holds": ratio >= bar,
        "peak_mb": round(peak),
    }


def _timed(what: str, folder: Path, size: Sequence[int]) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of one run in a process of its own."""
    numbers = [str(number) for number in size]
    call = [sys.executable, "-m", "benchmarks.tags", "--run", what, str(folder), *numbers]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the run of {what} failed with exit code {process.returncode}")
    return float(text), usage.ru_maxrss / 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 events of 40 days")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--run", nargs=5, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.run:
        what, folder, *size = given.run
        print(RUNS[what](open_lake(folder), [int(number) for number in size]))
        return
    if given.quick:
        comparisons = measure(*QUICK, with_history=True)
    else:
        comparisons = measure(PER_DAY, PERSONS, DAYS, with_history=True)
        comparisons += measure(PER_DAY, 3 * PERSONS, DAYS, with_history=False)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    machine = f"{os.cpu_count()} cores, {memory:.0f} GiB"
    if given.format == "json":
        print(json.dumps({"benchmark": "tags", "machine": machine, "comparisons": comparisons}))
        return
    for one in comparisons:
        print(f"{one['what']}: {one['ours']} s beside {one['rival']} s of {one['rival_name']}, "
              f"{one['ratio']} (bar {one['bar']}), peak {one['peak_mb']} MB")


if __name__ == "__main__":
    main()
