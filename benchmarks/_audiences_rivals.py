"""Counts over the Parquet of tags by others; runs in ``.venv-rivals``.

``python benchmarks/_audiences_rivals.py NAME`` reads ``{"files": pattern, "queries": {name: SQL},
"repeats": n}`` from stdin; prints for each query its answer, the seconds of the first run and the
median of the rest. ``{tags}`` in a query stands for the Parquet, ``{chance}`` for a
random number. Nothing is limited: both have all
cores, and memory as they like.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

Ask = Callable[[str], list[list[Any]]]


def duckdb(files: str) -> Ask:
    """DuckDB in memory, over the files."""
    import duckdb as engine

    con = engine.connect()
    con.execute("SET enable_progress_bar = false")

    def ask(query: str) -> list[list[Any]]:
        query = query.replace("{tags}", f"read_parquet('{files}')").replace("{chance}", "random()")
        rows = con.execute(query).fetchall()
        return [list(row) for row in rows]

    return ask


def chdb(files: str) -> Ask:
    """chDB (ClickHouse in process), over the files."""
    from chdb import session  # type: ignore[import-not-found]

    held = session.Session()

    def ask(query: str) -> list[list[Any]]:
        query = query.replace("{tags}", f"file('{files}', Parquet)").replace("{chance}", "rand()")
        said = held.query(query, "JSONCompactEachRow")
        return [json.loads(line) for line in str(said).splitlines() if line]

    return ask


RIVALS = {"duckdb": duckdb, "chdb": chdb}


def main(name: str) -> None:
    """Answer and time every query."""
    given = json.load(sys.stdin)
    start = time.perf_counter()
    ask = RIVALS[name](given["files"])
    opened = time.perf_counter() - start
    found: dict[str, dict[str, Any]] = {}
    for key, query in given["queries"].items():
        seconds = []
        for _ in range(given["repeats"] + 1):
            start = time.perf_counter()
            answer = ask(query)
            seconds.append(time.perf_counter() - start)
        found[key] = {
            "answer": answer, "first_s": seconds[0] + (0 if found else opened),
            "median_s": statistics.median(seconds[1:]),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
