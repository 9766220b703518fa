"""The benchmark of exports runs and its figures have the agreed shape."""

from __future__ import annotations

import pytest

from benchmarks import export


@pytest.mark.slow
def test_every_kind_is_measured_beside_hashing_alone() -> None:
    found = export.measure(2_000)
    assert [one["what"].split(", ")[-1] for one in found] == list(export.KINDS)
    assert all(one["ours"] > 0 and one["peak_mb"] > 0 for one in found)
