"""Parquet files for Spark's workers: read by declared columns, written with exactly these."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake.engines.cluster import Relation, Target, Written

ROWS_PER_GROUP = 122_880
"""Rows of a group where a table does not say: what DuckDB reads in one go."""
_FOUND = "path string, rows long"
_FOUND_SCHEMA = pa.schema([("path", pa.string()), ("rows", pa.int64())])
Mapped = Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]


def frame(spark: Any, relation: Relation) -> Any:
    """The relation's files as a DataFrame."""
    from pyspark.sql.pandas.types import from_arrow_schema

    schema = from_arrow_schema(relation.schema)
    if not relation.paths:
        return spark.createDataFrame([], schema)
    # Columns are those of the files: what folders are called says nothing.
    reader = spark.read.schema(schema).option("recursiveFileLookup", "true")
    return reader.parquet(*relation.paths)


def write(rows: Any, target: Target) -> Written:
    """Have the workers write a DataFrame; the files of tasks that were tried again are left out."""
    listed = [*([target.parted_by] if target.parted_by else []), *target.order]
    if target.parted_by:
        rows = rows.repartition(target.parted_by)
    if listed:
        rows = rows.sortWithinPartitions(*listed)
    found = rows.select(*target.schema.names).mapInArrow(_writing(target), _FOUND).toArrow()
    return [(row["path"], row["rows"]) for row in found.to_pylist()]


def _writing(target: Target) -> Mapped:
    schema = _bare(target.schema)

    def written(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        done: Written = []
        file: _File | None = None
        for folder, rows in _parts(batches, target, schema):
            if file is None or file.folder != folder:
                done += file.close() if file else []
                file = _File(folder, schema, target.rows_per_group or ROWS_PER_GROUP)
            file.write(rows)
        done += file.close() if file else []
        columns = [[path for path, _ in done], [rows for _, rows in done]]
        yield pa.record_batch(columns, schema=_FOUND_SCHEMA)

    return written


def _parts(
    batches: Iterable[pa.RecordBatch], target: Target, schema: pa.Schema
) -> Iterator[tuple[Path, pa.Table]]:
    """The rows by the folder they belong to, in their order."""
    for batch in batches:
        rows = pa.Table.from_batches([batch]).cast(schema)
        if target.parted_by is None:
            yield target.folder, rows
            continue
        values = rows[target.parted_by]
        for value in pc.unique(values):
            yield target.folder / f"d={value}", rows.filter(pc.equal(values, value))


class _File:
    """One Parquet file, whose groups of rows are filled however rows come."""

    def __init__(self, folder: Path, schema: pa.Schema, rows_per_group: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self._rows_per_group = folder, rows_per_group
        self._path = str(folder / f"part-{os.urandom(8).hex()}.parquet")
        self._writer = pq.ParquetWriter(self._path, schema, compression="zstd")
        self._waiting: list[pa.Table] = []
        self._rows = 0

    def write(self, rows: pa.Table) -> None:
        self._waiting.append(rows)
        self._rows += len(rows)
        if sum(map(len, self._waiting)) >= self._rows_per_group:
            self._flush()

    def close(self) -> Written:
        self._flush()
        self._writer.close()
        return [(self._path, self._rows)]

    def _flush(self) -> None:
        if self._waiting:
            together = pa.concat_tables(self._waiting)
            self._writer.write_table(together, row_group_size=self._rows_per_group)
        self._waiting = []


def _bare(schema: pa.Schema) -> pa.Schema:
    """Without what is said about columns: contracts hold them, files need not."""
    return pa.schema([pa.field(field.name, field.type) for field in schema])
