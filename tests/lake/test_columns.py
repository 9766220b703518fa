from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from lake.columns import read_columns
from lake.tables import DataFile


def test_columns_of_several_files_are_one_chunk_each_in_the_order_of_rows(tmp_path: Path) -> None:
    files = []
    for number, cities in enumerate((["b", None, "a"], ["c", "b"])):
        path = tmp_path / f"{number}.parquet"
        rows = {"n": list(range(len(cities))), "city": cities, "others": [["x"]] * len(cities)}
        pq.write_table(pa.table(rows), path)
        files.append(DataFile(str(path), "", len(cities)))
    found = read_columns(files, ["city", "others"])
    assert found.column_names == ["city", "others"]
    assert pa.types.is_dictionary(found["city"].type)
    assert found["city"].num_chunks == 1
    assert found["city"].to_pylist() == ["b", None, "a", "c", "b"]
    assert read_columns(files[:1], ["n"])["n"].to_pylist() == [0, 1, 2]
