"""The Delta table ``landed_records``: rows and the next offset of each partition in one commit."""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, RemoveAction

from lake import locks, tables
from lake.tables import DataFile
from schemas.errors import BusyError, StorageError
from schemas.landed import LANDED_RECORDS

_SCHEMA = Schema.from_arrow(tables.delta_schema(LANDED_RECORDS))
_SETTINGS = {
    # No statistics: the least and the greatest value would outlast the rows in the log.
    "delta.dataSkippingNumIndexedCols": "0",
    "delta.logRetentionDuration": "interval 7 days",
    "delta.enableExpiredLogCleanup": "true",
}


LAND_TRIES = 8
"""So often at most a commit meets another run's that leaves its partitions alone."""


class LandedTable:
    """The table in the folder ``root``, made when absent; knows one version until ``refresh``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        with _told(root, "opened"), locks.exclusive(root.parent, "create", wait_s=30):
            if not DeltaTable.is_deltatable(str(root)):
                root.mkdir(parents=True, exist_ok=True)
                DeltaTable.create(
                    str(root), schema=_SCHEMA, partition_by=["d"], name=LANDED_RECORDS.name,
                    description=f"Grain: {LANDED_RECORDS.grain}. {LANDED_RECORDS.says}",
                    configuration=_SETTINGS,
                )
            self.delta = DeltaTable(str(root))

    @staticmethod
    def is_at(root: Path) -> bool:
        """Whether anything was ever landed there."""
        return bool(DeltaTable.is_deltatable(str(root)))

    def refresh(self) -> None:
        """Take in what others have committed."""
        with _told(self.root, "read"):
            self.delta.update_incremental()

    def next_offset(self, topic: str, partition: int) -> int | None:
        """The first offset that is not landed; None before anything was."""
        found = self.delta.transaction_version(app_of(topic, partition))
        return None if found is None else int(found)

    def files(self) -> list[DataFile]:
        """Files of this version."""
        return tables.files(self.root, self.delta.version())

    def write(self, rows: Mapping[str, pa.Table]) -> list[DataFile]:
        """Durable Parquet files of rows by day; nobody's until they are committed."""
        written = []
        for d, table in rows.items():
            path = self.root / f"d={d}" / f"{uuid.uuid4().hex}.parquet"
            with _told(self.root, "written"):
                path.parent.mkdir(parents=True, exist_ok=True)
                pq.write_table(table, path, compression="zstd", compression_level=1)
                _sync(path)
                _sync(path.parent)
            written.append(DataFile(str(path), d, table.num_rows))
        return written

    def land(self, files: Sequence[DataFile], topic: str, ends: Mapping[int, tuple[int | None, int]]
             ) -> None:
        """Commit ``files`` and, by partition, the next offset in place of the one that was noted.

        BusyError when another lander has landed any of these partitions meanwhile: Delta refuses
        two commits of one application id from one version, and a later version is looked into.
        """
        fresh = [Transaction(app_of(topic, p), end) for p, (_, end) in sorted(ends.items())]
        for tries in range(LAND_TRIES, 0, -1):
            self._require(topic, {p: noted for p, (noted, _) in ends.items()})
            try:
                self.commit(files, (), fresh)
                break
            except BusyError:
                # A release that drops what it has taken is no other lander: the offsets tell.
                if tries == 1:
                    raise
                self.refresh()
        self._require(topic, {p: end for p, (_, end) in ends.items()})

    def commit(
        self, added: Sequence[DataFile], removed: Sequence[DataFile],
        noted: Sequence[Transaction] = (),
    ) -> None:
        """One commit, then the newest version; BusyError when another one met it."""
        now = int(time.time() * 1000)
        actions: list[AddAction | RemoveAction] = [
            RemoveAction(self._inside(one), True, now, one.size, {"d": one.d}) for one in removed
        ]
        actions += [
            AddAction(
                self._inside(one), Path(one.path).stat().st_size, {"d": one.d}, now, True,
                json.dumps({"numRecords": one.rows}),
            )
            for one in added
        ]
        try:
            with _told(self.root, "committed"):
                self.delta.create_write_transaction(
                    actions, "append", _SCHEMA, partition_by=["d"],
                    commit_properties=CommitProperties(app_transactions=list(noted)),
                )
                self.delta.update_incremental()
        except StorageError as error:
            if isinstance(error.__cause__, CommitFailedError):
                raise BusyError(
                    "another run has changed the landed records of the same partition",
                    expected="one lander for each partition",
                    got=error.got,
                    where=", ".join(str(one.app_id) for one in noted) or str(self.root),
                    todo="nothing was landed twice; let the other one go on",
                ) from error
            raise

    def purge(self) -> int:
        """Delete the files that this version has removed; those of no commit stay."""
        return self._vacuumed(0, is_full=False)

    def purge_orphans(self, older_than_hours: int) -> int:
        """Delete files of that age that no commit names: what a killed lander left."""
        return self._vacuumed(older_than_hours, is_full=True)

    def _vacuumed(self, hours: int, is_full: bool) -> int:
        with _told(self.root, "vacuumed"):
            # What was deleted before is listed again until the log forgets it.
            listed = self.delta.vacuum(hours, True, False, full=is_full)
            gone = [one for one in listed if (self.root / one).exists()]
            if gone:
                self.delta.vacuum(hours, False, False, full=is_full)
                self.delta.update_incremental()
        return len(gone)

    def compact(self, megabytes: int) -> int:
        """Bring small files of a day together; how many were replaced. Landers may go on."""
        with _told(self.root, "compacted"):
            done = self.delta.optimize.compact(target_size=megabytes << 20)
            self.delta.update_incremental()
            self.delta.create_checkpoint()
            self.delta.cleanup_metadata()
        return int(done["numFilesRemoved"])

    def _inside(self, file: DataFile) -> str:
        return str(Path(file.path).relative_to(self.root))

    def _require(self, topic: str, expected: Mapping[int, int | None]) -> None:
        for partition, offset in expected.items():
            found = self.next_offset(topic, partition)
            if found != offset:
                raise BusyError(
                    f"another run lands {topic}, partition {partition}",
                    expected=f"offset {offset} to be next",
                    got=f"offset {found}",
                    where=app_of(topic, partition),
                    todo="nothing was landed twice; let the other one go on",
                )


def app_of(topic: str, partition: int) -> str:
    """The application id under which Delta keeps the next offset."""
    return f"land:{topic}:{partition}"


@contextmanager
def _told(root: Path, what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, DeltaError, pa.ArrowException) as error:
        raise StorageError(
            f"{root.name} could not be {what}",
            got=str(error).splitlines()[0],
            where=str(root),
            todo="free some disk space or bring the files back, then run again",
        ) from error


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
