"""Releases: one row names the version of every table, so that readers see all change as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from lake import tables
from lake.engines.duckdb import Session
from lake.tables import DataFile
from schemas import catalog
from schemas.errors import NotFoundError
from schemas.releases import RELEASES


@dataclass(frozen=True, slots=True)
class Release:
    """One publication: ``versions`` maps table names to Delta versions below ``root``."""

    root: Path
    release_no: int
    business_date: date
    cut: datetime
    published_at: datetime
    run_id: str
    inputs: str
    rules: str
    versions: dict[str, int] = field(default_factory=dict)

    def files(self, name: str) -> list[DataFile]:
        """Files of the table ``name`` in this release; none where it was not yet written."""
        if name not in self.versions:
            return []
        return tables.files(self.root / name, self.versions[name])

    def open(
        self, session: Session, names: Iterable[str] | None = None,
        kept: Mapping[str, str] | None = None,
    ) -> Session:
        """Show tables (all when ``names`` is None) of this release in ``session``; returns it.

        ``kept`` are conditions on the rows ``t`` that are shown, by table.
        """
        for name in names if names is not None else catalog.TABLES:
            if name == RELEASES.name:
                session.register(name, read(self.root))
                continue
            paths = [file.path for file in self.files(name)]
            schema = self.schema(name)
            session.view(
                name, schema, paths, is_varied=catalog.is_varied(name, schema),
                kept=(kept or {}).get(name),
            )
        return session

    def schema(self, name: str) -> pa.Schema:
        """Columns of ``name`` as they are in this release, without the partition column ``d``."""
        declared = catalog.table(name).schema
        if name not in self.versions:
            return declared
        delta = DeltaTable(str(self.root / name), version=self.versions[name])
        stored = pa.schema(delta.schema().to_arrow())
        known = set(declared.names)
        return pa.schema([*declared, *(f for f in stored if f.name not in known and f.name != "d")])


def read(root: Path) -> pa.Table:
    """The table of releases, oldest first."""
    path = root / RELEASES.name
    if not DeltaTable.is_deltatable(str(path)):
        return RELEASES.schema.empty_table()
    listed = [file.path for file in tables.files(path, tables.latest(path))]
    whole = pa.concat_tables([_read_file(name) for name in listed])
    return whole.sort_by("release_no")


def last_published(root: Path) -> str:
    """A text that changes whenever a release is published; empty before the first."""
    log = root / RELEASES.name / "_delta_log"
    names = (path.name for path in log.glob("*.json")) if log.is_dir() else ()
    return max(names, default="")


def _read_file(path: str) -> pa.Table:
    return pq.ParquetFile(path).read().cast(RELEASES.schema)


def every(root: Path) -> list[Release]:
    """All releases, oldest first."""
    found = []
    for row in read(root).to_pylist():
        versions = dict(row.pop("tables"))
        found.append(Release(root=root, versions=versions, **row))
    return found


def choose(root: Path, as_of: date | int | None = None) -> Release:
    """The newest release, that of a business date, or that of a number."""
    known = every(root)
    wanted = [
        r
        for r in known
        if as_of is None
        or (isinstance(as_of, date) and r.business_date == as_of)
        or (not isinstance(as_of, date) and r.release_no == as_of)
    ]
    if wanted:
        return wanted[-1]
    have = ", ".join(f"{r.release_no} ({r.business_date})" for r in known) or "none yet"
    raise NotFoundError(
        "there is no such release",
        expected=f"one of: {have}",
        got=str(as_of if as_of is not None else "the newest"),
        where=str(root),
        todo="run `guiyi run` to publish one" if not known else "see `guiyi release list`",
    )
