"""Delta tables: create, write files, commit them, list them, go back.

Files are written first and are nobody's until a commit names them, so that a crash leaves
orphans and never half a table. https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from schemas.errors import BusyError, StorageError
from schemas.table import Table


@dataclass(frozen=True, slots=True)
class DataFile:
    """One Parquet file of a table: absolute ``path``, its ``d`` ('' when unpartitioned), rows.

    ``size`` is in bytes, as the commit says it; 0 of a file that is not committed yet.
    """

    path: str
    d: str
    rows: int
    size: int = 0


@contextmanager
def _told(root: Path, what: str) -> Iterator[None]:
    """Errors of the storage below as ours."""
    try:
        yield
    except (OSError, DeltaError) as error:
        raise StorageError(
            f"{root.name} could not be {what}",
            got=str(error).splitlines()[0],
            where=str(root),
            todo="free some disk space or bring the files back, then run again",
        ) from error


def delta_schema(table: Table) -> pa.Schema:
    """The table's columns plus the derived partition column ``d``."""
    if table.partition is None:
        return table.schema
    return table.schema.append(pa.field("d", pa.string(), nullable=False))


def create(root: Path, table: Table) -> DeltaTable:
    """The table at ``root``, created when absent, with columns added since it was."""
    with _told(root, "created"):
        return _create(root, table)


def _create(root: Path, table: Table) -> DeltaTable:
    if not DeltaTable.is_deltatable(str(root)):
        root.mkdir(parents=True, exist_ok=True)
        return DeltaTable.create(
            str(root),
            schema=Schema.from_arrow(delta_schema(table)),
            partition_by=["d"] if table.partition else None,
            name=table.name,
            description=f"Grain: {table.grain}. {table.says}",
            # Kept releases name old versions: their log entries must stay.
            configuration={"delta.enableExpiredLogCleanup": "false"},
        )
    delta = DeltaTable(str(root))
    # A snapshot is only ever replaced whole, and takes its columns along.
    if table.mode != "snapshot":
        _add_columns(delta, table)
    return delta


def _add_columns(delta: DeltaTable, table: Table) -> None:
    known = {field.name for field in delta.schema().fields}
    fresh = [field for field in delta_schema(table) if field.name not in known]
    if not fresh:
        return
    if any(not field.nullable for field in fresh):
        raise StorageError(
            f"{table.name} cannot gain the column {fresh[0].name}",
            expected="new columns may hold NULL, for the rows that are already there",
            got=f"{fresh[0].name} {fresh[0].type} NOT NULL",
            todo="declare it nullable",
        )
    delta.alter.add_columns(Schema.from_arrow(pa.schema(fresh)).fields)
    delta.update_incremental()


def files(root: Path, version: int) -> list[DataFile]:
    """Files of the table at ``version``."""
    with _told(root, f"read at version {version}"):
        delta = DeltaTable(str(root), version=version)
        found = pa.RecordBatchReader.from_stream(delta.get_add_actions(flatten=True))
        actions = found.read_all().to_pydict()
    dates = actions.get("partition.d") or [""] * len(actions["path"])
    return [
        DataFile(str(root / path), d or "", rows or 0, size)
        for path, d, rows, size in zip(
            actions["path"], dates, actions["num_records"], actions["size_bytes"], strict=True
        )
    ]


def latest(root: Path) -> int:
    """Newest version of the table, published or not."""
    return DeltaTable(str(root)).version()


def prepare(root: Path, table: Table, version: int) -> int:
    """Make the newest version say what ``version`` said, with columns added since; returns it."""
    with _told(root, f"put back to version {version}"):
        if DeltaTable.is_deltatable(str(root)):
            delta = DeltaTable(str(root))
            if delta.version() != version:
                delta.restore(version)
    create(root, table)
    return latest(root)


def commit(
    root: Path,
    table: Table,
    added: Sequence[DataFile],
    *,
    replaced: Sequence[str] | None = None,
    expected_version: int | None = None,
) -> int:
    """Commit ``added`` in one step and return the version.

    ``replaced`` None appends; an empty list replaces the whole table; dates replace those
    partitions. BusyError when the table is no longer at ``expected_version``, or when another
    commit comes in between.
    """
    delta = create(root, table)
    if expected_version not in (None, delta.version()):
        raise BusyError(
            f"another commit to {table.name} came first",
            expected=f"version {expected_version}",
            got=f"version {delta.version()}",
            todo="run again",
        )
    actions: list[AddAction | RemoveAction] = [_action(root, table, file) for file in added]
    filters = [("d", "in", sorted(set(replaced)))] if replaced else None
    is_snapshot = table.mode == "snapshot"
    schema = Schema.from_arrow(delta_schema(table)) if is_snapshot else delta.schema()
    try:
        with _told(root, "committed"):
            delta.create_write_transaction(
                actions,
                "append" if replaced is None else "overwrite",
                schema,
                partition_by=["d"] if table.partition else None,
                partition_filters=filters,
            )
    except StorageError as error:
        if isinstance(error.__cause__, CommitFailedError):
            raise BusyError(
                f"another commit to {table.name} came first", got=error.got, todo="run again"
            ) from error
        raise
    return latest(root)


def _action(root: Path, table: Table, file: DataFile) -> AddAction:
    size = Path(file.path).stat().st_size
    return AddAction(
        str(Path(file.path).relative_to(root)),
        size,
        {"d": file.d} if table.partition else {},
        int(time.time() * 1000),
        True,
        json.dumps({"numRecords": file.rows}),
    )
