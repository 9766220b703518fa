"""One lake on disk: where its parts lie, and how a run or a reader opens it."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from lake import locks, releases
from lake.draft import Draft
from lake.engines.cluster import Cluster
from lake.engines.duckdb import Session
from lake.landing import Landing
from lake.releases import Release
from schemas.errors import NotFoundError, StorageError


@dataclass(frozen=True, slots=True)
class Lake:
    """The lake below ``root``; see ``open_lake``."""

    root: Path

    @property
    def landing(self) -> Landing:
        """Files as delivered."""
        return Landing(self.root / "landing")

    @property
    def tables(self) -> Path:
        """Folder of the Delta tables."""
        return self.root / "tables"

    @property
    def landed(self) -> Path:
        """The table of records that came over topics; of no release."""
        return self.root / "landed" / "landed_records"

    @property
    def snapshots(self) -> Path:
        """Folder of the snapshots."""
        return self.root / "snapshots"

    @property
    def exports(self) -> Path:
        """Folder of the exports."""
        return self.root / "exports"

    def releases(self) -> list[Release]:
        """All releases, oldest first."""
        return releases.every(self.tables)

    def release(self, as_of: date | int | None = None) -> Release:
        """The newest release, or that of a date or number."""
        return releases.choose(self.tables, as_of)

    def last_published(self) -> str:
        """A text that changes whenever a release is published; cheap to ask for."""
        return releases.last_published(self.tables)

    def session(self) -> Session:
        """An empty DuckDB session that spills below this lake."""
        return Session(self.root / "cache" / "spill")

    @contextmanager
    def reader(self, as_of: date | int | None = None) -> Iterator[Session]:
        """A session that shows every table of a release under its name."""
        release = self.release(as_of)
        with self.session() as session:
            yield release.open(session)

    @contextmanager
    def draft(
        self, business_date: date, cut: datetime, cluster: Cluster | None = None
    ) -> Iterator[Draft]:
        """The next release, on top of the newest, under the lake's writer lock."""
        with (
            locks.exclusive(self.root / "locks", "publish"),
            self._scratch() as scratch,
            self.session() as session,
        ):
            known = self.releases()
            parent = known[-1] if known else None
            yield Draft(self.tables, session, parent, business_date, cut, scratch, cluster)

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        """What a killed run has left in it is taken away by the next."""
        folder = (self.root / "cache" / "spill" / "scratch").absolute()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def identifier_secret(self) -> bytes:
        """The key of this lake's identifier hash: ``GUIYI_IDENTIFIER_SECRET``, or made once."""
        given = os.environ.get("GUIYI_IDENTIFIER_SECRET")
        if given:
            return given.encode()
        path = self.root / "identifier.secret"
        if not path.exists():
            fresh = path.with_suffix(f".{os.getpid()}")
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            os.write(handle, secrets.token_hex(16).encode())
            os.fsync(handle)
            os.close(handle)
            os.replace(fresh, path)
        secret = path.read_bytes()
        if not secret:
            raise StorageError(
                "the identifier secret is empty",
                expected="the secret that this lake's identifiers were keyed with",
                got="0 bytes",
                where=str(path),
                todo="bring it back from a backup; with another one nobody is recognised",
            )
        return secret


def open_lake(root: Path | str | None = None, *, create: bool = False) -> Lake:
    """The lake at ``root`` (default: ``GUIYI_DATA`` or ``data``); NotFoundError when absent."""
    path = Path(root or os.environ.get("GUIYI_DATA") or "data")
    if create:
        path.mkdir(parents=True, exist_ok=True)
    if not path.is_dir():
        raise NotFoundError(
            "there is no lake here",
            expected="a folder with a landing",
            got="a file" if path.exists() else "nothing",
            where=str(path),
            todo="run `guiyi generate`, or name the folder with --data",
        )
    return Lake(path)
