"""The benchmark of the layouts of tags runs, and gives its figures in the agreed shape."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import tag_layout
from pipelines.tags.published.layout import SPARSE_SHARE


def test_both_layouts_are_written_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tag_layout, "TAGS", 20)
    tag_layout.write_source(tmp_path / "source.duckdb", "500", 0.1)
    for layout in (tag_layout.COLUMNS, tag_layout.ROWS):
        found = tag_layout.run_layout(layout, tmp_path / "source.duckdb", tmp_path / layout)
        assert set(found) == {"write", "size", "read"}
        assert found["size"] > 0


def test_shares_lie_on_both_sides_of_the_border() -> None:
    assert min(tag_layout.SHARES) < SPARSE_SHARE <= max(tag_layout.SHARES)


def test_thirty_tags_are_described(tmp_path: Path) -> None:
    found = tag_layout.run_published("300", tmp_path)
    assert set(found) == {"write", "size", "parquet_write", "parquet_size"}
    assert sum(count for count, _ in tag_layout.KINDS.values()) == 30


@pytest.mark.prove
def test_the_comparisons_are_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    tag_layout.main(["--quick", "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["benchmark", "machine", "comparisons"]
    for one in found["comparisons"]:
        assert list(one) == [
            "what", "ours", "rival", "rival_name", "unit", "ratio", "bar", "holds", "peak_mb"
        ]
