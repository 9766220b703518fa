"""Columns of a table's files as Arrow, for those who go through them one by one."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from lake.tables import DataFile


def read_columns(files: Sequence[DataFile], names: Sequence[str]) -> pa.Table:
    """The columns ``names`` of ``files``, in the order of their rows; one chunk each.

    Texts come as dictionaries, as Parquet holds them, which is a fraction of the work.
    """
    parts = [_read(file.path, names) for file in files]
    joined = pa.concat_tables(parts).unify_dictionaries()
    return joined.combine_chunks()


def _read(path: str, names: Sequence[str]) -> pa.Table:
    schema = pq.read_schema(path)
    texts = [name for name in names if pa.types.is_string(schema.field(name).type)]
    return pq.ParquetFile(path, read_dictionary=texts).read(columns=list(names))
