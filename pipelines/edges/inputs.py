"""What edges are read from: Parquet files, Arrow tables or DuckDB relations, as Arrow batches.

Every input is looked at before a row of any is read: a file that is cut, a column that is missing
or of a wrong type is an error, not a half result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import InputError, NotFoundError, UsageError

BATCH = 122_880
_BATCH_BYTES = 64 << 20

KEY = ("type_a", "value_a", "type_b", "value_b")
EXTRAS = ("source", "first_seen", "last_seen", "count", "probability")
_CODED = pa.dictionary(pa.int32(), pa.string())
MOMENT = pa.timestamp("us")

Edges: TypeAlias = "str | Path | pa.Table | pa.RecordBatchReader | duckdb.DuckDBPyRelation"
"""A Parquet file or a folder of such files, or edges in memory."""


@dataclass(slots=True)
class Input:
    """One file, table or relation of edges."""

    name: str
    schema: pa.Schema
    batches: Callable[[], Iterator[pa.RecordBatch]]
    size: int | None = None
    """Bytes, of a file."""
    rows: int = field(default=0)
    """Rows that were read."""

    @property
    def extras(self) -> frozenset[str]:
        """The optional columns that it has."""
        return frozenset(EXTRAS) & frozenset(self.schema.names)

    def read(self, extras: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Batches of ``KEY`` and ``extras``; what it lacks is NULL. InputError if damaged."""
        try:
            for batch in self.batches():
                self.rows += len(batch)
                yield _in_order(batch, extras)
        except (pa.ArrowException, OSError, duckdb.Error) as error:
            raise _unreadable(self.name, error) from error


def open_edges(edges: Edges | Sequence[Any]) -> list[Input]:
    """The inputs that ``edges`` names, each with its columns checked; NotFoundError without any.

    InputError names the file that cannot be read, or lacks a column, or has one of a wrong type.
    """
    if isinstance(edges, str | Path):
        found = [_file(path) for path in _paths(Path(edges))]
    elif isinstance(edges, list | tuple):
        found = [one for part in edges for one in open_edges(part)]
    else:
        found = [_memory(edges)]
    for one in found:
        _check(one)
    return found


def extras_of(inputs: Sequence[Input]) -> list[str]:
    """The optional columns that any input has, in the order of ``EXTRAS``."""
    return [name for name in EXTRAS if any(name in one.extras for one in inputs)]


def _paths(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    if not place.is_dir():
        raise NotFoundError(
            "no edges there", expected="a Parquet file, or a folder of such", where=str(place)
        )
    below = [path.relative_to(place) for path in place.rglob("*.parquet") if path.is_file()]
    shown = [path for path in below if not any(part[0] in "._" for part in path.parts)]
    if not shown:
        raise NotFoundError(
            "no edges there", expected="files *.parquet in the folder", where=str(place)
        )
    return [place / path for path in sorted(shown)]


def _file(path: Path) -> Input:
    try:
        with pq.ParquetFile(path) as file:
            schema, metadata = file.schema_arrow, file.metadata
            taken = [metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups)]
            rows = metadata.num_rows
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(str(path), error) from error
    # Ten thousand long texts would fill the memory in batches of the usual size.
    size = max(1, min(BATCH, int(_BATCH_BYTES * max(rows, 1) / max(sum(taken), 1))))
    names = [name for name in (*KEY, *EXTRAS) if name in schema.names]

    def batches() -> Iterator[pa.RecordBatch]:
        coded = [
            name for name in ("type_a", "type_b") if pa.types.is_string(schema.field(name).type)
        ]
        with pq.ParquetFile(path, read_dictionary=coded, memory_map=True) as file:
            yield from file.iter_batches(size, columns=names)

    return Input(str(path), schema, batches, path.stat().st_size)


def _memory(edges: Any) -> Input:
    if isinstance(edges, pa.Table):
        return Input("table", edges.schema, lambda: iter(edges.to_batches(BATCH)))
    if isinstance(edges, pa.RecordBatchReader):
        return Input("reader", edges.schema, lambda: _sliced(edges))
    if isinstance(edges, duckdb.DuckDBPyRelation):
        reader = edges.to_arrow_reader(BATCH)
        return Input("relation", reader.schema, lambda: _sliced(reader))
    raise UsageError(
        "these are no edges",
        expected="a path, an Arrow table or reader, or a DuckDB relation",
        got=type(edges).__name__,
    )


def _sliced(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, len(batch), BATCH):
            yield batch.slice(start, BATCH)


def _in_order(batch: pa.RecordBatch, extras: Sequence[str]) -> pa.RecordBatch:
    columns: dict[str, pa.Array] = {}
    for name in KEY:
        column = batch[name]
        if name.startswith("value"):
            columns[name] = _plain(column)
        elif pa.types.is_dictionary(column.type):
            columns[name] = column.cast(_CODED)
        else:
            columns[name] = column.cast(pa.string()).dictionary_encode()
    for name in extras:
        if name in batch.schema.names:
            columns[name] = _extra(name, batch[name])
        else:
            kind = {"source": pa.string(), "count": pa.int64(), "probability": pa.float64()}
            columns[name] = pa.nulls(len(batch), kind.get(name, MOMENT))
    return pa.RecordBatch.from_pydict(columns)


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column.cast(pa.string())


def _extra(name: str, column: pa.Array) -> pa.Array:
    if name == "source":
        return _plain(column)
    if name in ("first_seen", "last_seen"):
        if pa.types.is_timestamp(column.type):
            # The moment is the same with and without its zone: Arrow keeps UTC inside.
            column = column.cast(pa.timestamp(column.type.unit)) if column.type.tz else column
        return column.cast(MOMENT, safe=False)
    if name == "probability" or not pa.types.is_integer(column.type):
        return column.cast(pa.float64())
    return column.cast(pa.int64(), safe=False)


def _check(one: Input) -> None:
    names = one.schema.names
    missing = [name for name in KEY if name not in names]
    if missing:
        raise InputError(
            f"edges without the column {missing[0]}",
            expected=", ".join(KEY) + ", and optionally " + ", ".join(EXTRAS),
            got=", ".join(names) or "no columns",
            where=one.name,
            todo="name the four columns so, e.g. by SELECT ... AS type_a",
        )
    for name in (*KEY, *one.extras):
        kind, wanted = one.schema.field(name).type, _WANTED.get(name, "VARCHAR")
        if not _fits(wanted, kind):
            raise InputError(
                f"the column {name} has the wrong type",
                expected=wanted,
                got=str(kind),
                where=one.name,
                todo=f"write it as CAST({name} AS {wanted.split(' or ')[0]})",
            )


_WANTED = {
    "first_seen": "DATE or TIMESTAMP", "last_seen": "DATE or TIMESTAMP", "count": "BIGINT",
    "probability": "DOUBLE",
}  # fmt: skip


def _fits(wanted: str, kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_null(kind):
        return True
    if wanted == "VARCHAR":
        kind = kind.value_type if types.is_dictionary(kind) else kind
        return bool(types.is_string(kind) or types.is_large_string(kind) or "view" in str(kind))
    if wanted == "BIGINT":
        return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
    if wanted == "DOUBLE":
        return bool(types.is_floating(kind) or types.is_decimal(kind))
    return bool(types.is_date(kind) or types.is_timestamp(kind))


def _unreadable(name: str, error: Exception) -> InputError:
    return InputError(
        "edges that cannot be read; nothing was written",
        expected="a whole Parquet file",
        got=str(error).strip().split("\n")[0][:200],
        where=name,
        todo="deliver the file anew, or leave it out",
    )
