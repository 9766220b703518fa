"""The benchmark of ingest runs, and gives its figures in the agreed shape."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from benchmarks import ingest


@pytest.mark.slow
def test_the_comparison_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    ingest.main(["--events", "2000", "--repeats", "1", "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["benchmark", "machine", "comparisons"]
    (one,) = found["comparisons"]
    assert list(one) == [
        "what", "ours", "rival", "rival_name", "unit", "ratio", "bar", "holds", "peak_mb"
    ]
    assert one["bar"] == 0.25
    assert one["holds"] is (one["ratio"] >= one["bar"])


def test_the_file_has_its_repeated_and_its_broken_lines(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    ingest.write_events(file, 2000)
    rows = duckdb.sql(
        "SELECT count(*), count(*) FILTER (NOT json_valid(line)), "
        "count(*) - count(DISTINCT regexp_extract(line, 'messageId\":\"(\\w+)', 1)) "
        f"FROM read_csv('{file}', columns = {{line: 'VARCHAR'}}, header = false, quote = '', "
        "delim = '\x02')"
    ).fetchall()
    assert rows == [(2000, 10, 20)]


def test_both_sides_write_the_same_number_of_dates(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    ingest.write_events(file, 2000)
    ingest.run_ours(file, tmp_path / "ours")
    ingest.run_rival(file, tmp_path / "rival")
    places = ("ours/tables/events", "rival")
    dates = [{path.name for path in tmp_path.glob(f"{place}/d=*")} for place in places]
    assert dates[0] == dates[1]
    assert len(dates[0]) in (60, 61)
