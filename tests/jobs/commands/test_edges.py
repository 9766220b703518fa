"""``guiyi identity resolve`` from an empty folder, without a lake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from jobs.cli import app
from tests.pipelines.edges.made import PHONE, edges

ROOT = Path(__file__).parents[3]
ROWS = [("user_id", "u1", "phone", PHONE), ("user_id", "u1", "user_id", "u1")]


def call(*arguments: str) -> list[str]:
    return ["identity", "resolve", *arguments]


def test_it_works_from_an_empty_folder(tmp_path: Path) -> None:
    source, here = tmp_path / "edges.parquet", tmp_path / "here"
    pq.write_table(edges(ROWS), source)
    here.mkdir()
    command = [sys.executable, "-m", "jobs.cli", *call("--edges", str(source), "--out", "out")]
    done = subprocess.run(
        [*command, "--format", "json"],
        cwd=here, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((here / "out" / "manifest.json").read_text())
    assert told["rows"]["refused_by_reason"] == {"same_on_both_sides": 1}
    assert "smallest identifier_key" in told["one_id"]
    assert sorted(path.name for path in (here / "out").iterdir()) == [
        "identities.parquet", "links.parquet", "manifest.json", "moves.parquet",
        "refused.parquet", "tenures.parquet",
    ]  # fmt: skip
    assert [path.name for path in here.iterdir()] == ["out"]
    identities = pq.read_table(here / "out" / "identities.parquet")
    assert identities.schema.names == ["type", "value", "one_id"]
    assert len(set(identities["one_id"].to_pylist())) == 1


def test_people_read_what_was_refused(tmp_path: Path) -> None:
    pq.write_table(edges(ROWS), tmp_path / "edges.parquet")
    given = ("--edges", str(tmp_path / "edges.parquet"), "--out", str(tmp_path / "out"))
    done = CliRunner().invoke(app, call(*given, "--rules", "none"))
    assert done.exit_code == 0, done.output
    assert "1 persons of 2 identifiers, in " in done.stdout
    assert "rows: 2, taken 1, refused 1\n  1 same_on_both_sides" in done.stdout
    assert "links: 1 accepted, 0 refused" in done.stdout


def test_edges_that_match_writes_are_evidence(tmp_path: Path) -> None:
    matched = pa.table(
        {
            "type_a": ["crm", "crm"], "value_a": ["1", "2"],
            "type_b": ["crm", "member"], "value_b": ["2", "9"],
            "source": ["splink", "splink"], "count": [1, 1], "probability": [0.99, 0.96],
        }
    )  # fmt: skip
    pq.write_table(matched, tmp_path / "fuzzy.parquet")
    pq.write_table(edges([("member", "9", "phone", PHONE)]), tmp_path / "known.parquet")
    done = CliRunner().invoke(
        app, call("--edges", str(tmp_path), "--out", str(tmp_path.parent / f"{tmp_path.name}-out"))
    )
    assert done.exit_code == 0, done.output
    links = pq.read_table(tmp_path.parent / f"{tmp_path.name}-out" / "links.parquet").to_pylist()
    told = {(one["value_a"], one["value_b"]): one for one in links}
    evidence = {frozenset(pair): one["evidence"] for pair, one in told.items()}
    assert evidence == {
        frozenset(["1", "2"]): "matched by likeness",
        frozenset(["2", "9"]): "matched by likeness",
        frozenset(["9", PHONE]): "seen together",
    }
    assert sorted(one["probability"] or 0 for one in links) == [0, 0.96, 0.99]


@pytest.mark.parametrize("missing", ["--edges", "--out"])
def test_both_places_must_be_named(missing: str, tmp_path: Path) -> None:
    given = {"--edges": str(tmp_path), "--out": str(tmp_path / "out")}
    del given[missing]
    done = CliRunner().invoke(app, call(*(part for pair in given.items() for part in pair)))
    assert done.exit_code == 2
