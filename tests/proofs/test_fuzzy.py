"""Fuzzy matching against known truths, in the environment that has Splink and recordlinkage."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.proofs.__main__ import page, sections
from tests.proofs.fuzzy.__main__ import put, settings

ROOT = Path(__file__).parents[2]
BARS = {
    "historical": (0.98, 0.85),
    "fake_1000": (0.99, 0.80),
    "febrl3": (0.999, 0.998),
    "febrl3 without soc_sec_id": (0.999, 0.99),
    "febrl4": (0.999, 0.998),
    "febrl4 without soc_sec_id": (0.999, 0.99),
}
"""At 0.95: precision of the edges, F1 of the clusters."""


@pytest.mark.prove
def test_fuzzy_edges_are_precise_and_join_most_of_the_known_persons(shared_data: Path) -> None:
    python = ROOT / ".venv-rivals" / "bin" / "python"
    if not python.exists():
        pytest.skip("the environment with Splink is absent: make bench makes it")
    done = subprocess.run(
        [str(python), "-m", "tests.proofs.fuzzy", "--json"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = {one["data"]: one["at"]["0.95"] for one in json.loads(done.stdout)}
    assert found.keys() == BARS.keys()
    for name, (precision, f1) in BARS.items():
        assert found[name]["pairs"]["precision"] >= precision, name
        assert found[name]["clusters"]["f1"] >= f1, name


@pytest.mark.parametrize("name", ["historical", "fake_1000", "febrl3", "febrl4"])
def test_the_settings_of_the_proof_are_settings(name: str) -> None:
    assert settings(name).threshold == 0.95


def test_the_labels_of_fake_1000_are_its_clusters(shared_data: Path) -> None:
    folder = shared_data / "splink_datasets"
    with duckdb.connect() as con:
        told = con.execute(
            "SELECT l.clerical_match_score = 1, a.cluster = b.cluster, count(*) "
            f"FROM '{folder}/fake_1000_labels.csv' AS l "
            f"JOIN '{folder}/fake_1000.csv' AS a ON a.unique_id = l.unique_id_l "
            f"JOIN '{folder}/fake_1000.csv' AS b ON b.unique_id = l.unique_id_r "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    assert told == [(False, False, 1145), (True, True, 2031)]


def test_a_section_is_written_once_and_outlives_the_table() -> None:
    old = "# Long proofs\n\ntable\n"
    once = put(old, "## Fuzzy matching\n\nfirst\n")
    both = put(once + "\n## Other\n\nstays\n", "## Fuzzy matching\n\nsecond\n")
    assert "first" not in both
    assert both.count("## Fuzzy matching") == 1
    assert "## Other\n\nstays" in both
    kept = page([]) + sections(both)
    assert kept.startswith("# Long proofs")
    assert "second" in kept
    assert "stays" in kept
