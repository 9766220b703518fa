"""Any reader of the ecosystem opens every table of a release."""

from __future__ import annotations

import polars as pl
import pyarrow.dataset as ds
import pytest
from deltalake import DeltaTable

from lake.store import Lake


@pytest.mark.slow
def test_deltalake_polars_and_pyarrow_read_every_table_alike(sample_lake: Lake) -> None:
    release = sample_lake.release()
    assert len(release.versions) >= 20
    for name, version in release.versions.items():
        root = str(release.root / name)
        rows = sum(file.rows for file in release.files(name))
        delta = DeltaTable(root, version=version)
        assert delta.to_pyarrow_table().num_rows == rows, name
        assert pl.scan_delta(root, version=version).select(pl.len()).collect().item() == rows
        paths = [file.path for file in release.files(name)]
        if paths:
            plain = ds.dataset(paths).to_table()
            assert plain.num_rows == rows
            assert set(plain.column_names) <= {field.name for field in delta.schema().fields}
            frame = pl.read_delta(root, version=version, columns=plain.column_names)
            assert frame.height == rows
