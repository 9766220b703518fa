"""Ingest of JSON lines beside DuckDB's ``read_json`` and ``COPY`` of the same file.

Ours parses, validates, quarantines, deduplicates, keys identifiers, and writes partitioned
events, bundles and sightings. The rival reads the same columns, skips what it cannot parse, and
writes the events partitioned alike. Both have the same threads and memory, each its own process.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from lake import conf
from lake.engines.duckdb import MEMORY, THREADS
from lake.landing import Delivery
from lake.store import open_lake
from pipelines.ingest import load
from schemas.programme import Programme
from schemas.sources import Source

FULL, QUICK = 10_000_000, 300_000
BAR = 1 / 4
DAYS = 60
PROGRAMME = Programme("benchmark", "Asia/Shanghai", 3, "CNY", "CN")
DELIVERED = datetime(2017, 4, 1, tzinfo=UTC)

_LINES = """
SELECT CASE WHEN i % 200 = 7 THEN left(line, 90) ELSE line END FROM (SELECT i, '{"type":"track",'
|| '"messageId":"' || substr(md5('m' || (i - (i % 100 = 99)::INT)), 1, 32) || '",'
|| '"anonymousId":"' || md5('d' || u) || '",'
|| CASE WHEN u % 3 > 0 THEN '"userId":"u' || u || '",' ELSE '' END
|| '"event":"' || CASE i % 4 WHEN 0 THEN 'Products Searched' WHEN 1 THEN 'App Opened'
   ELSE 'Product Viewed' END || '","properties":{'
|| CASE i % 4 WHEN 0 THEN '"query":"coffee ' || i % 977 || '",' WHEN 1 THEN ''
   ELSE '"product_id":"p' || i % 92331 || '","category":"COFFEE","price":"' || i % 100 || '.50",'
   END || '"session_id":"s' || i // 10 || '"},'
|| '"context":{"app":{"name":"shop","appid":"wx01"},"device":{"type":"android"}},'
|| '"originalTimestamp":"' || stamp || '","sentAt":"' || stamp
|| '","receivedAt":"' || stamp || '"}'
AS line FROM (SELECT i, hash(i // 10) % greatest({events} // 50, 1) AS u,
strftime(TIMESTAMP '2017-01-31 00:00:00' + to_microseconds(i * {step}),
'%Y-%m-%dT%H:%M:%S.%gZ') AS stamp FROM range({events}) AS r(i)))
"""

_RIVAL = """
COPY (SELECT 'app_events' AS source, messageId AS event_id, originalTimestamp AS occurred_at,
TIMESTAMPTZ '2017-04-01 00:00:00+00' AS received_at, anonymousId, userId,
CAST(receivedAt AT TIME ZONE 'Asia/Shanghai' AS DATE) AS business_date, event AS type, properties,
CAST(CAST(originalTimestamp AT TIME ZONE 'Asia/Shanghai' AS DATE) AS VARCHAR) AS d
FROM read_json('{file}', format = 'newline_delimited', ignore_errors = true, columns = {{
type: 'VARCHAR', messageId: 'VARCHAR', anonymousId: 'VARCHAR', userId: 'VARCHAR',
event: 'VARCHAR', properties: 'MAP(VARCHAR, VARCHAR)', originalTimestamp: 'TIMESTAMPTZ',
sentAt: 'TIMESTAMPTZ', receivedAt: 'TIMESTAMPTZ'}}) WHERE messageId IS NOT NULL)
TO '{folder}' (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (d), APPEND)
"""


def write_events(path: Path, events: int) -> None:
    """Write ``events`` JSON lines: 1 % repeated ids, 0.5 % cut off, over sixty days."""
    step = DAYS * 86_400 * 1_000_000 // events
    query = _LINES.replace("{events}", str(events)).replace("{step}", str(step))
    with duckdb.connect() as con:
        con.execute(
            f"COPY ({query}) TO '{path}' (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', "
            "DELIMITER '\x02')"
        )


def run_ours(file: Path, folder: Path) -> float:
    """Seconds to take ``file`` into a new lake below ``folder``."""
    lake = open_lake(folder, create=True)
    (source,) = (one for one in conf.load("sources", Source) if one.name == "app_events")
    delivery = Delivery("events.jsonl", "app_events", DELIVERED, file.stat().st_size, "")
    with lake.draft(date(2017, 4, 1), DELIVERED) as draft, open(file, "rb") as content:
        start = time.perf_counter()
        load(draft, [source], PROGRAMME, [delivery], lambda _: content, b"secret")
        return time.perf_counter() - start


def run_rival(file: Path, folder: Path) -> float:
    """Seconds in which DuckDB alone rewrites ``file`` as partitioned Parquet."""
    folder.mkdir(parents=True)
    options: dict[str, str | bool | int | float | list[str]] = {
        "threads": THREADS, "memory_limit": MEMORY, "preserve_insertion_order": False,
        "temp_directory": str(folder / "spill"), "partitioned_write_max_open_files": 1000,
    }
    with duckdb.connect(config=options) as con:
        con.execute("SET TimeZone = 'UTC'")
        start = time.perf_counter()
        con.execute(_RIVAL.format(file=file, folder=folder))
        return time.perf_counter() - start


def measure(events: int, repeats: int) -> dict[str, Any]:
    """The comparison as one object; medians of ``repeats`` runs, ours and the rival's in turn."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        file = root / "events.jsonl"
        write_events(file, events)
        ours, rival, peak_mb = [], [], 0.0
        for number in range(repeats):
            seconds, peak = _timed("ours", file, root / f"ours{number}")
            ours.append(seconds)
            peak_mb = max(peak_mb, peak)
            rival.append(_timed("rival", file, root / f"rival{number}")[0])
    ours_s, rival_s = statistics.median(ours), statistics.median(rival)
    ratio = rival_s / ours_s
    return {
        "benchmark": "ingest",
        "machine": _machine(),
        "comparisons": [
            {
                "what": f"{events:,} JSON lines to validated, deduplicated, partitioned events",
                "ours": round(ours_s, 2),
                "rival": round(rival_s, 2),
                "rival_name": f"DuckDB {duckdb.__version__} read_json and COPY",
                "unit": "s",
                "ratio": round(ratio, 3),
                "bar": BAR,
                "holds": ratio >= BAR,
                "peak_mb": round(peak_mb),
            }
        ],
    }


def _timed(who: str, file: Path, folder: Path) -> tuple[float, float]:
    """Seconds and peak memory in MB of one run in a process of its own."""
    call = [sys.executable, "-m", "benchmarks.ingest", "--run", who, str(file), str(folder)]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the run of {who} failed with exit code {process.returncode}")
    return float(text), usage.ru_maxrss / 1024


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores, {memory:.0f} GiB"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK:,} events, one run")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--events", type=int, help=f"default {FULL:,}")
    parser.add_argument("--repeats", type=int, help="default 3, quick 1")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.run:
        who, file, folder = given.run
        print({"ours": run_ours, "rival": run_rival}[who](Path(file), Path(folder)))
        return
    events = given.events or (QUICK if given.quick else FULL)
    found = measure(events, given.repeats or (1 if given.quick else 3))
    if given.format == "json":
        print(json.dumps(found))
        return
    (one,) = found["comparisons"]
    print(
        f"{one['what']}: {one['ours']} s, {one['rival_name']} {one['rival']} s, "
        f"{1 / one['ratio']:.2f} times its time (bar {1 / one['bar']:.0f}), "
        f"peak {one['peak_mb']} MB on {found['machine']}"
    )


if __name__ == "__main__":
    main()
