"""Runs the long proofs and writes what they showed: ``python -m tests.proofs``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Run the tests marked ``prove`` and write ``docs/proofs.md``; pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        call = [sys.executable, "-m", "pytest", "-m", "prove", f"--junitxml={report}"]
        code = subprocess.run([*call, *sys.argv[1:]], cwd=ROOT, check=False).returncode
        cases = list(ET.parse(report).getroot().iter("testcase"))
    written = ROOT / "docs" / "proofs.md"
    kept = sections(written.read_text(encoding="utf-8"))
    written.write_text(page(cases) + kept, encoding="utf-8")
    return code


def sections(old: str) -> str:
    """What other proofs wrote below the table, from the first second-level heading on."""
    _, mark, rest = old.partition("\n## ")
    return mark + rest


def page(cases: Iterable[ET.Element]) -> str:
    """One row per proof: how many cases, seconds, and whether all held."""
    proofs: dict[str, list[ET.Element]] = {}
    for case in cases:
        name = (case.get("name") or "").split("[")[0].removeprefix("test_").replace("_", " ")
        proofs.setdefault(name, []).append(case)
    lines = [
        "# Long proofs",
        "",
        "`make prove` runs them and writes this page. "
        f"Last run: {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores.",
        "",
        "| proof | cases | seconds | holds |",
        "|---|---|---|---|",
    ]
    for name, found in proofs.items():
        seconds = sum(float(case.get("time") or 0) for case in found)
        bad = sum(1 for case in found if len(case))
        says = "yes" if bad == 0 else f"**no**: {bad} failed"
        lines.append(f"| {name} | {len(found)} | {seconds:.0f} | {says} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
