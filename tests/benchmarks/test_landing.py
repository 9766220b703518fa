"""The benchmark of landing: both sides land every record, and the figures have their shape."""

from __future__ import annotations

from pathlib import Path

from benchmarks import landing


def test_both_sides_land_every_record(tmp_path: Path) -> None:
    landing.fill(str(tmp_path / "topics"), 500)
    for who, run in (("ours", landing.run_ours), ("rival", landing.run_rival)):
        assert run(str(tmp_path / "topics"), tmp_path / who) == 500


def test_a_comparison_holds_when_it_reaches_its_bar() -> None:
    runs = {"ours": [(10.0, 20.0, 300.0)], "rival": [(8.0, 9.0, 100.0)]}
    found = landing._comparisons("segments", 1_500_000, runs)
    assert [(one["ours"], one["rival"], one["holds"]) for one in found] == [
        (150.0, 187.5, True), (150.0, 100.0, True), (75.0, 166.7, False), (75.0, 100.0, False),
    ]
