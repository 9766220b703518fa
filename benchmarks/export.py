"""Ten million members leave: consent, choice of the phone, hashing and writing, in bounded memory.

Rows of members a second over the whole way from a release's tables to a version with its manifest,
and beside it hashing and writing alone, by one COPY of DuckDB from the phones as they are, with the
same limit of memory. Peak memory is that of the process. gzip is reported, and has no bar.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from benchmarks import _export_world as world
from lake import exports
from lake.engines.duckdb import Session
from pipelines.exports import Asked, write
from schemas.exports import Export

PERSONS, QUICK = 10_000_000, 20_000
BAR_ROWS, BAR_MB = 1_000_000, 700
MEMORY = "380MB"
"""Of DuckDB; with Python, Arrow and the writer the process stays below the bar."""
KINDS: dict[str, dict[str, Any]] = {
    "csv": {"format": "csv"},
    "parquet": {"format": "parquet"},
    "csv gzip": {"format": "csv", "gzip": True},
}


def run_ours(root: Path, kind: str) -> int:
    """Write one version; rows of members that it was asked of."""
    plain = {
        "name": "x", "audience": world.AUDIENCE, "channel": "any", "purpose": "advertising",
        "identifiers": [{"type": "phone", "recipe": "sha256_e164"}],
    }
    recipe = msgspec.convert(plain | KINDS[kind], Export)
    members = f"SELECT one_id, person_no FROM audience_members WHERE audience = '{world.AUDIENCE}'"
    asked = Asked(recipe, world.VERSION, world.DAY, datetime(2018, 1, 1, tzinfo=UTC), 1)
    with Session(root / "spill", memory=MEMORY) as session:
        world.show(root, session)
        place = root / "exports" / kind.replace(" ", "_")
        with exports.writing(place, "x", asked.version) as draft:
            manifest = write(session, draft, asked, members)
            draft.finish(manifest)
    counts = manifest["counts"]
    assert counts["members"] == sum(counts.values()) - counts["members"], counts
    return int(counts["members"])


def run_rival(root: Path, _: str) -> int:
    """Hash and write every phone, whoever it is of, with nothing asked."""
    with Session(root / "spill", memory=MEMORY) as session:
        world.show(root, session)
        session.execute(
            "COPY (SELECT sha256(value) AS phone FROM identifiers WHERE type = 'phone') "
            f"TO '{root / 'rival.csv'}' (FORMAT csv, HEADER)"
        )
        return int(
            str(session.rows("SELECT count(*) FROM identifiers WHERE type = 'phone'")[0][0])
        )


def measure(persons: int) -> list[dict[str, Any]]:
    """The comparisons of one world."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        world.make(root, persons)
        rival = _timed("rival", root, "csv")
        return [_compared(kind, persons, _timed("ours", root, kind), rival) for kind in KINDS]


def _compared(
    kind: str, persons: int, ours: dict[str, float], rival: dict[str, float]
) -> dict[str, Any]:
    speed, alone = ours["rows"] / ours["seconds"], rival["rows"] / rival["seconds"]
    bar = 0.0 if "gzip" in kind else BAR_ROWS / 1e6
    return {
        "what": f"{persons:,} members, sha256, {kind}", "ours": speed / 1e6, "unit": "M rows/s",
        "rival": alone / 1e6, "ratio": speed / alone, "bar": bar,
        "rival_name": f"hashing and writing alone, DuckDB {duckdb.__version__}",
        "holds": speed / 1e6 >= bar and (ours["peak_mb"] <= BAR_MB or bar == 0.0),
        "peak_mb": ours["peak_mb"], "cpu_seconds": ours["cpu_seconds"],
        "seconds": ours["seconds"],
    }


def _timed(what: str, root: Path, kind: str) -> dict[str, float]:
    call = [sys.executable, "-m", "benchmarks.export", "--run", what, str(root), kind]
    done = subprocess.run(call, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _one(what: str, root: Path, kind: str) -> dict[str, float]:
    start, cpu = time.monotonic(), time.process_time()
    rows = {"ours": run_ours, "rival": run_rival}[what](root, kind)
    return {
        "rows": rows, "seconds": time.monotonic() - start,
        "cpu_seconds": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small world, to see that it runs")
    parser.add_argument("--format", choices=["text", "json"], default="text")
    parser.add_argument("--run", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        print(json.dumps(_one(given.run[0], Path(given.run[1]), given.run[2])))
        return
    found = measure(QUICK if given.quick else PERSONS)
    if given.format == "json":
        print(json.dumps({"benchmark": "export", "comparisons": found}))
        return
    for one in found:
        print(
            f"{one['what']}: {one['ours']:.2f} M rows/s, {one['cpu_seconds']:.0f} s CPU, "
            f"{one['peak_mb']:.0f} MB; {one['rival_name']} {one['rival']:.2f} M rows/s"
        )


if __name__ == "__main__":
    main()
