"""Where tags lie: 1,000 as columns or as rows, and what bitmaps and coverage cost beside a column.

For several shares of persons who have a value, both layouts are written from the same computed
table and five tags are read from each; ours is what ``pipelines.tags.published.layout`` chooses.
Then 30 tags get their bitmaps, slices and coverage, beside the writing of their Parquet alone.
Each run is a process of its own; seconds are of CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from lake import snapshots
from lake.engines.duckdb import Session
from lake.store import open_lake
from pipelines.tags.published import publish_description, show_whole
from pipelines.tags.published.layout import SPARSE_SHARE, sparse_rows
from pipelines.tags.published.reader import SNAPSHOT
from pipelines.tags.vocabulary import tag_values_table
from schemas.tag_bounds import TagBounds
from schemas.tag_definitions import Tag, Type
from schemas.tags import TAG_VALUES, TAG_VALUES_SPARSE

TAGS, SHARES = 1_000, (1.0, 0.1, 0.05, 0.02, 0.01, 0.001)
DAY, CUT = date(2017, 6, 30), datetime(2017, 7, 1, tzinfo=UTC)
COLUMNS, ROWS = "columns", "rows"
BARS = {"write": 1.0, "size": 0.6, "read": 0.5}
"""A layout is chosen for what writing it costs; for that a file may be somewhat larger, and a
reader may wait twice the few milliseconds."""
PUBLISHED_BAR = 0.5
"""Bitmaps and coverage may cost twice the writing of the columns alone."""
KINDS: dict[Type, tuple[int, str]] = {
    "boolean": (8, "hash(i, {t}) % 10 < 3"),
    "integer": (12, "CAST(exp((hash(i, {t}) % 1000) / 90.0) AS BIGINT) - 5"),
    "number": (4, "round((hash(i, {t}) % 1000000) / 1000000.0, 4)"),
    "date": (2, "DATE '2016-01-01' + CAST(hash(i, {t}) % 500 AS INT)"),
    "text": (4, "'city ' || CAST(sqrt(hash(i, {t}) % 90000) AS INT)"),
}
"""Thirty tags: how many of each type, and the value of person i."""


@dataclass(frozen=True, slots=True)
class Size:
    """Persons for the layouts and for the bitmaps, and how often each is measured."""

    layout: int
    published: int
    repeats: int


FULL, QUICK = Size(50_000, 1_000_000, 3), Size(3_000, 50_000, 1)


def _tag(number: int, kind: Type) -> Tag:
    name = f"tag_{number}"
    return Tag(name=name, label=name, kind="fact", type=kind, sql="SELECT 1")


def write_source(path: Path, persons: str, share: float) -> dict[str, float]:
    """Write a DuckDB file with ``TAGS`` integer columns that ``share`` of the persons have."""
    columns = ", ".join(
        f"CASE WHEN hash(i, {t}) % 1000000 < {int(share * 1e6)} "
        f"THEN CAST(hash(i, {t}, 7) % 1000 AS BIGINT) END AS tag_{t}"
        for t in range(TAGS)
    )
    with duckdb.connect(str(path), config={"threads": 1, "memory_limit": "4GB"}) as con:
        con.execute(
            f"CREATE TABLE values_of_day AS SELECT DATE '{DAY}' AS business_date, 'p' || i AS "
            f"one_id, i AS person_no, {columns} FROM range({persons}) r(i)"
        )
    return {}


def run_layout(layout: str, source: Path, folder: Path) -> dict[str, float]:
    """CPU seconds to write and to read five tags, and megabytes, of one layout."""
    tags = [_tag(number, "integer") for number in range(TAGS)]
    columns = tags if layout == COLUMNS else []
    wide = tag_values_table(columns)
    with Session(folder / "spill") as session:
        session.execute(f"ATTACH '{source}' AS given (READ_ONLY)")
        query = "SELECT * FROM given.values_of_day"
        start = _cpu()
        kept = [path for path, _ in session.write(query, wide.schema, folder / "wide", None)]
        tall: list[str] = []
        if layout == ROWS:
            schema = TAG_VALUES_SPARSE.schema
            rows = sparse_rows(query, tags)
            tall = [path for path, _ in session.write(rows, schema, folder / "tall", None)]
        written = _cpu() - start
        session.view(TAG_VALUES.name, wide.schema, kept)
        session.view(TAG_VALUES_SPARSE.name, TAG_VALUES_SPARSE.schema, tall)
        start = _cpu()
        five = [tag.name for tag in tags[:: TAGS // 5]]
        show_whole(session, {t.name: t.type for t in tags if layout == ROWS}, five)
        any_high = " OR ".join(f"{name} > 500" for name in five)
        session.rows(f"SELECT count(*) FROM {TAG_VALUES.name} WHERE {any_high}")
        read = _cpu() - start
    size = sum(Path(path).stat().st_size for path in [*kept, *tall])
    return {"write": written, "size": size / 1e6, "read": read}


def run_published(persons: str, folder: Path) -> dict[str, float]:
    """CPU seconds and megabytes of thirty tags as Parquet, and of what goes with them."""
    kinds = [kind for kind, (count, _) in KINDS.items() for _ in range(count)]
    tags = [_tag(number, kind) for number, kind in enumerate(kinds)]
    columns = ", ".join(
        f"CASE WHEN hash(i, {t}, 1) % 10 < 7 THEN {KINDS[kind][1].format(t=t)} END AS tag_{t}"
        for t, kind in enumerate(kinds)
    )
    lake = open_lake(folder, create=True)
    with lake.draft(DAY, CUT) as draft, snapshots.writing(lake.snapshots, SNAPSHOT) as kept:
        draft.session.execute(
            f"CREATE TABLE given AS SELECT DATE '{DAY}' AS business_date, 'p' || i AS one_id, "
            f"i AS person_no, {columns} FROM range({persons}) r(i)"
        )
        start = _cpu()
        table = tag_values_table(tags)
        draft.replace_dates(TAG_VALUES.name, [DAY], "SELECT * FROM given", table=table)
        parquet_s, start = _cpu() - start, _cpu()
        draft.session.execute("DROP TABLE given")
        version = publish_description(draft, tags, TagBounds(1.0, 1.0, 0), kept)
        ours_s = _cpu() - start
        parquet = sum(Path(file.path).stat().st_size for file in draft.files(TAG_VALUES.name))
    folder = snapshots.place(lake.snapshots, SNAPSHOT, version)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {
        "write": ours_s, "size": size / 1e6, "parquet_write": parquet_s,
        "parquet_size": parquet / 1e6,
    }


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measure(size: Size) -> dict[str, Any]:
    """The comparisons as one object; medians of runs, both layouts in turn."""
    found = []
    for share in SHARES:
        with tempfile.TemporaryDirectory() as name:
            source = Path(name) / "source.duckdb"
            _run("source", str(source), str(size.layout), str(share))
            runs: dict[str, list[dict[str, float]]] = {COLUMNS: [], ROWS: []}
            for number in range(size.repeats):
                for layout in runs:
                    runs[layout].append(_run(layout, str(source), f"{name}/{layout}{number}"))
        found += _layouts(share, size.layout, {at: _median(runs[at]) for at in runs})
    with tempfile.TemporaryDirectory() as name:
        whole = [
            _run("published", str(size.published), f"{name}/{number}")
            for number in range(size.repeats)
        ]
    found += _published(size.published, _median(whole))
    return {"benchmark": "tag_layout", "machine": _machine(), "comparisons": found}


def _layouts(share: float, persons: int, of: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    ours, rival = (ROWS, COLUMNS) if share < SPARSE_SHARE else (COLUMNS, ROWS)
    words = {"write": ("written", "s"), "size": ("on disk", "MB"), "read": ("five read", "s")}
    return [
        _compared(
            f"{TAGS:,} tags of {persons:,} persons, {share:.1%} have each: {ours}, {words[key][0]}",
            of[ours][key], of[rival][key], f"as {rival}", words[key][1], BARS[key],
            of[ours]["peak_mb"],
        )
        for key in words
    ]


def _published(persons: int, of: dict[str, float]) -> list[dict[str, Any]]:
    what = f"bitmaps, slices and coverage of 30 tags of {persons:,} persons"
    rival = "their Parquet alone"
    made = of["write"], of["parquet_write"], rival, "s", PUBLISHED_BAR, of["peak_mb"]
    size = of["size"], of["parquet_size"], rival, "MB", BARS["size"], of["peak_mb"]
    return [_compared(f"{what}, made", *made), _compared(f"{what}, on disk", *size)]


def _compared(
    what: str, ours: float, rival: float, name: str, unit: str, bar: float, peak_mb: float
) -> dict[str, Any]:
    ratio = rival / ours if ours else 1.0
    return {
        "what": what, "ours": round(ours, 3), "rival": round(rival, 3), "rival_name": name,
        "unit": unit, "ratio": round(ratio, 3), "bar": round(bar, 3), "holds": ratio >= bar,
        "peak_mb": round(peak_mb),
    }


def _run(*arguments: str) -> dict[str, float]:
    """Figures and peak memory in MB of one run in a process of its own."""
    call = [sys.executable, "-m", "benchmarks.tag_layout", "--run", *arguments]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the run {arguments} failed with exit code {process.returncode}")
    return {**json.loads(text), "peak_mb": usage.ru_maxrss / 1024}


def _median(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print the comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK.layout:,} persons, one run")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--persons", type=int, help=f"for bitmaps; default {FULL.published:,}")
    parser.add_argument("--repeats", type=int, help=f"default {FULL.repeats}, quick 1")
    parser.add_argument("--run", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.run:
        what, *rest = given.run
        runs: dict[str, Callable[[], dict[str, float]]] = {
            "source": lambda: write_source(Path(rest[0]), rest[1], float(rest[2])),
            "published": lambda: run_published(rest[0], Path(rest[1])),
            COLUMNS: lambda: run_layout(COLUMNS, Path(rest[0]), Path(rest[1])),
            ROWS: lambda: run_layout(ROWS, Path(rest[0]), Path(rest[1])),
        }
        print(json.dumps(runs[what]()))
        return
    size = QUICK if given.quick else FULL
    found = measure(
        Size(size.layout, given.persons or size.published, given.repeats or size.repeats)
    )
    if given.format == "json":
        print(json.dumps(found))
        return
    for one in found["comparisons"]:
        print(
            f"{one['what']}: {one['ours']} {one['unit']}, {one['rival_name']} {one['rival']}, "
            f"ratio {one['ratio']} (bar {one['bar']}), peak {one['peak_mb']} MB"
        )


if __name__ == "__main__":
    main()
