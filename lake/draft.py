"""A draft: what the next release will be. Files are written at once, commits come all at the end.

A reader of the lake sees nothing of a draft. A draft sees itself: what a step has written, the
next step reads. ``publish`` commits table after table and then the release that names them; a
crash before that last commit leaves versions that no release names, and the next draft puts the
released ones back first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
from sqlglot import exp

from lake import contracts, crash, tables
from lake.engines.cluster import Cluster, Relation, Target, Written
from lake.engines.duckdb import Session, quoted
from lake.releases import Release
from lake.tables import DataFile
from schemas import catalog
from schemas.errors import QualityError
from schemas.releases import RELEASES
from schemas.table import Table


@dataclass(slots=True)
class _Change:
    """What a draft does to one table: files to add; None appends, [] replaces all, else dates."""

    table: Table
    added: list[DataFile] = field(default_factory=list)
    replaced: list[str] | None = None


class Draft:
    """The open release for ``business_date`` with its ``cut``, on top of ``parent``."""

    def __init__(
        self,
        root: Path,
        session: Session,
        parent: Release | None,
        business_date: date,
        cut: datetime,
        scratch: Path | None = None,
        cluster: Cluster | None = None,
    ) -> None:
        """``cluster`` runs the steps that outgrow a process; without one they run in the session.

        ``scratch`` is an empty folder, gone with the draft, that all workers of a cluster see;
        a draft that nothing is written by needs none.
        """
        self.root, self.session, self.parent = root, session, parent
        self.scratch, self.cluster = scratch or root / "no scratch", cluster
        self.business_date, self.cut = business_date, cut
        self._changes: dict[str, _Change] = {}
        self._released: dict[str, list[DataFile]] = {}
        for name in catalog.TABLES:
            if name != RELEASES.name:
                self._show(catalog.table(name))

    def files(self, name: str) -> list[DataFile]:
        """Files of the table as this draft has it now."""
        if name not in self._released:
            self._released[name] = self.parent.files(name) if self.parent else []
        change = self._changes.get(name)
        released = self._released[name]
        if change is None:
            return released
        if change.replaced is not None:
            gone = set(change.replaced)
            released = [file for file in released if gone and file.d not in gone]
        return released + change.added

    def append(self, name: str, sql: str, *, table: Table | None = None) -> int:
        """Add the rows of a query to the table; returns how many."""
        change = self._change(table or catalog.table(name))
        assert change.replaced is None, f"{name} is already being replaced"
        return self._write(change, sql)

    def replace(self, name: str, sql: str, *, table: Table | None = None) -> int:
        """Put the rows of a query in place of the whole table."""
        change = self._change(table or catalog.table(name))
        change.added, change.replaced = [], []
        return self._write(change, sql)

    def replace_dates(
        self, name: str, dates: Iterable[date], sql: str, *, table: Table | None = None
    ) -> int:
        """Put the rows of a query in place of the partitions ``dates`` (no row may be outside)."""
        change = self._change(table or catalog.table(name))
        days = sorted({day.isoformat() for day in dates})
        if not days:
            return 0
        _replace(change, days)
        return self._write(change, sql, only=days[0] if len(days) == 1 else None)

    def take_dates(
        self,
        name: str,
        dates: Iterable[date],
        query: exp.Expr,
        reads: Mapping[str, Relation],
        *,
        table: Table | None = None,
    ) -> int:
        """As ``replace_dates``, by a query that the cluster runs over relations of these names."""
        assert self.cluster is not None
        days = sorted({day.isoformat() for day in dates})
        change = self._change(table or catalog.table(name))
        _replace(change, days)
        to, folder = change.table, self.root / change.table.name
        target = Target(folder, to.schema, to.partition, to.key, to.rows_per_group)
        return self._enter(change, self.cluster.write(query, reads, target))

    def relation(self, name: str, dates: Iterable[date] | None = None) -> Relation:
        """The table's files, of ``dates`` only where given, for a cluster to read."""
        days = None if dates is None else {day.isoformat() for day in dates}
        paths = [f.path for f in self.files(name) if days is None or f.d in days]
        return Relation(self._schema(catalog.table(name)), paths)

    def show_dates(self, name: str, dates: Iterable[date], view: str) -> None:
        """Show only the partitions ``dates`` of the table, under the name ``view``."""
        days = {day.isoformat() for day in dates}
        paths = [file.path for file in self.files(name) if file.d in days]
        schema = self._schema(catalog.table(name))
        self.session.view(view, schema, paths, is_varied=catalog.is_varied(name, schema))

    def table_of(self, name: str) -> Table:
        """The table with the columns it has in this draft, those of tags and measures too."""
        table = catalog.table(name)
        return replace(table, schema=self._schema(table))

    def changed_dates(self, name: str) -> list[date]:
        """Dates of the table's partitions that this draft has written, in order."""
        change = self._changes.get(name)
        return sorted({date.fromisoformat(f.d) for f in change.added}) if change else []

    def _change(self, table: Table) -> _Change:
        change = self._changes.setdefault(table.name, _Change(table))
        change.table = table
        return change

    def _write(self, change: _Change, sql: str, only: str | None = None) -> int:
        """``only`` is the one date of all rows: they are written without being parted."""
        table, folder = change.table, self.root / change.table.name
        if only is not None:
            folder = folder / f"d={only}"
        part = table.partition if only is None else None
        written = self.session.write(sql, table.schema, folder, part, table.rows_per_group)
        for path, _ in written if only is not None else ():
            self._require_only(table, path, str(only))
        return self._enter(change, written)

    def _enter(self, change: _Change, written: Written) -> int:
        table = change.table
        for path, rows in written:
            d = Path(path).parent.name.removeprefix("d=") if table.partition else ""
            if change.replaced and d not in change.replaced:
                raise _outside(table, change.replaced, d)
            change.added.append(DataFile(path, d, rows))
        crash.point("draft.after_files")
        self._show(table)
        return sum(rows for _, rows in written)

    def _require_only(self, table: Table, path: str, only: str) -> None:
        others = self.session.rows(
            f"SELECT DISTINCT {table.partition} FROM read_parquet({quoted(path)}) "
            f"WHERE {table.partition} IS DISTINCT FROM CAST('{only}' AS DATE)"
        )
        if others:
            raise _outside(table, [only], str(others[0][0]))

    def _schema(self, table: Table) -> pa.Schema:
        change = self._changes.get(table.name)
        if change is not None:
            return change.table.schema
        return self.parent.schema(table.name) if self.parent else table.schema

    def _show(self, table: Table) -> None:
        paths = [file.path for file in self.files(table.name)]
        schema = self._schema(table)
        is_varied = catalog.is_varied(table.name, schema)
        self.session.view(table.name, schema, paths, is_varied=is_varied)

    def check(self) -> None:
        """Hold every changed table to its contract; QualityError (exit 3) publishes nothing."""
        for name, change in self._changes.items():
            touched = self._touched(change)
            contracts.hold(self.session, change.table, [f.path for f in touched], name)

    def _touched(self, change: _Change) -> list[DataFile]:
        current = self.files(change.table.name)
        if change.table.partition is None:
            return current
        days = {file.d for file in change.added}
        return [file for file in current if file.d in days]

    def publish(
        self, run_id: str, inputs: str, rules: str, clock: Callable[[], datetime]
    ) -> Release:
        """Check, commit every changed table, then the release that names them all."""
        self.check()
        crash.point("publish.before_commit")
        versions = dict(self.parent.versions) if self.parent else {}
        for name, change in self._changes.items():
            path = self.root / name
            base = tables.prepare(path, change.table, versions.get(name, 0))
            versions[name] = tables.commit(
                path, change.table, change.added, replaced=change.replaced, expected_version=base
            )
            crash.point("publish.between_tables")
        crash.point("publish.before_release")
        number = self.parent.release_no + 1 if self.parent else 1
        release = Release(
            self.root,
            number,
            self.business_date,
            self.cut,
            clock(),
            run_id,
            inputs,
            rules,
            versions,
        )
        self._commit(release)
        crash.point("publish.after_release")
        return release

    def _commit(self, release: Release) -> None:
        row = {name: getattr(release, name) for name in RELEASES.columns if name != "tables"}
        row["tables"] = sorted(release.versions.items())
        self.session.register("new_release", pa.Table.from_pylist([row], schema=RELEASES.schema))
        path = self.root / RELEASES.name
        tables.create(path, RELEASES)
        query = "SELECT * FROM new_release"
        written = self.session.write(query, RELEASES.schema, path, None)
        tables.commit(path, RELEASES, [DataFile(p, "", n) for p, n in written])


def _replace(change: _Change, days: Sequence[str]) -> None:
    name = change.table.name
    assert change.replaced is None or change.replaced, f"{name} is already replaced whole"
    change.replaced = sorted({*(change.replaced or []), *days})
    change.added = [file for file in change.added if file.d not in days]


def _outside(table: Table, replaced: list[str], got: str) -> QualityError:
    return QualityError(
        f"{table.name} has rows outside the partitions that it replaces",
        expected="one of " + ", ".join(replaced[:8]),
        got=got,
    )
