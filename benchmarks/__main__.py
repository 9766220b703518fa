"""Runs every benchmark and writes the table of results: ``python -m benchmarks [--quick]``."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
BENCHMARKS = sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_"))


def main() -> None:
    """Run all, print each, and (unless ``--quick``) write ``benchmarks/README.md``."""
    quick = "--quick" in sys.argv[1:]
    results = [_run(name, quick) for name in BENCHMARKS]
    if not quick:
        (HERE / "README.md").write_text(page(results), encoding="utf-8")


def page(results: list[dict[str, Any]]) -> str:
    """The results as a page: one table, with date and machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    lines = [
        "# Benchmarks",
        "",
        "Each claim is one module, its rival beside it in the same run:",
        "`python -m benchmarks.NAME [--quick] [--format json]`. A ratio of more than one is better",
        "than the rival; the bar is the least we accept. `make bench` writes this page.",
        "",
        f"Last full run: {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {memory:.0f} GiB, "
        f"{platform.machine()}, Python {platform.python_version()}.",
        "",
        "| benchmark | what | ours | rival | | ratio | bar | holds | peak MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        for one in result["comparisons"]:
            lines.append(
                f"| {result['benchmark']} | {one['what']} | {one['ours']:.1f} {one['unit']} | "
                f"{one['rival']:.1f} {one['unit']} | {one['rival_name']} | {one['ratio']:.2f} | "
                f"{one['bar']:.2f} | {'yes' if one['holds'] else '**no**'} | {one['peak_mb']:.0f} |"
            )
    return "\n".join(lines) + "\n"


def _run(name: str, quick: bool) -> dict[str, Any]:
    call = [sys.executable, "-m", f"benchmarks.{name}", "--format", "json"]
    done = subprocess.run(
        [*call, *(["--quick"] if quick else [])], stdout=subprocess.PIPE, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout)
    print(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    main()
