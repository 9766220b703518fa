"""The landing: files as they were delivered, and the manifest that says when.

``landing.jsonl`` holds one line per delivery. A file counts once its line stands there; until
then a crash leaves bytes that nobody reads and that the next delivery overwrites.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from lake import crash, exchange, locks
from schemas.errors import InputError, NotFoundError, StorageError

LOCK_WAIT_S = 60.0
"""How long a delivery waits for another one."""


class Incoming(Protocol):
    """A file on its way in: source, relative path, delivery time, bytes."""

    @property
    def source(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def delivered_at(self) -> datetime: ...
    @property
    def content(self) -> bytes: ...


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the manifest; ``file`` is the path below the landing."""

    file: str
    source: str
    delivered_at: datetime
    size_bytes: int
    sha256: str
    count_erased: int = 0
    """Rows that were blanked since, of persons who were erased."""


@dataclass(frozen=True, slots=True)
class Landing:
    """The landing folder ``root``."""

    root: Path

    @property
    def manifest(self) -> Path:
        """The list of deliveries."""
        return self.root / "landing.jsonl"

    def receive(self, files: Iterable[Incoming]) -> list[Delivery]:
        """Keep ``files`` and enter them in the manifest, save what is there already.

        The same path with other bytes, or delivered at another time, is kept beside the first
        as ``path~2``.
        """
        with locks.exclusive(self.root, "landing", wait_s=LOCK_WAIT_S):
            exchange.mend(self.root, self.manifest)
            known = {delivery.file: delivery for delivery in self.deliveries()}
            fresh = []
            for file in files:
                delivery = self._keep(file, known)
                if delivery is not None:
                    known[delivery.file] = delivery
                    fresh.append(delivery)
            if fresh:
                os.sync()
                crash.point("landing.before_manifest")
                _append(self.manifest, b"".join(msgspec.json.encode(d) + b"\n" for d in fresh))
        return fresh

    def _keep(self, file: Incoming, known: dict[str, Delivery]) -> Delivery | None:
        if file.delivered_at.tzinfo is None:
            raise InputError(
                "a delivery time without a zone",
                expected="an aware time",
                got=str(file.delivered_at),
                where=file.path,
            )
        digest = hashlib.sha256(file.content).hexdigest()
        at = file.delivered_at.astimezone(UTC)
        name, copy = file.path, 1
        while name in known:
            if known[name].sha256 == digest and known[name].delivered_at == at:
                return None
            copy += 1
            name = f"{file.path}~{copy}"
        target = (self.root / name).resolve()
        if not target.is_relative_to(self.root.resolve()):
            raise InputError(
                "a path that leaves the landing",
                expected="a relative path below the landing",
                got=file.path,
            )
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
        except OSError as error:
            raise StorageError(
                "a delivery could not be kept",
                got=str(error),
                where=str(target),
                todo="free some disk space, then deliver it again",
            ) from error
        return Delivery(name, file.source, at, len(file.content), digest)

    def deliveries(self, before: datetime | None = None) -> list[Delivery]:
        """Deliveries before the instant ``before``, in order of delivery, then name."""
        if not self.manifest.exists():
            return []
        lines = self.manifest.read_bytes().split(b"\n")
        whole = [msgspec.json.decode(line, type=Delivery) for line in lines[:-1] if line]
        chosen = [d for d in whole if before is None or d.delivered_at < before]
        return sorted(chosen, key=lambda d: (d.delivered_at, d.file))

    def read(self, delivery: Delivery) -> bytes:
        """The bytes as delivered; InputError when they are no longer those of the manifest."""
        path = self.root / delivery.file
        try:
            content = path.read_bytes()
        except (FileNotFoundError, IsADirectoryError) as error:
            raise NotFoundError(
                "a delivered file cannot be read",
                expected=f"{delivery.size_bytes} bytes",
                got="a folder" if path.is_dir() else "no such file",
                where=str(path),
                todo="bring it back; the manifest names it",
            ) from error
        if hashlib.sha256(content).hexdigest() != delivery.sha256:
            raise InputError(
                "a delivered file has changed since",
                expected=f"{delivery.size_bytes} bytes with sha256 {delivery.sha256[:12]}…",
                got=f"{len(content)} bytes",
                where=str(path),
                todo="bring the delivered bytes back; new bytes are a new delivery",
            )
        return content


def _append(path: Path, content: bytes) -> None:
    """Append durably; a torn last line of an earlier crash is cut off first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a+b") as out:
        out.seek(0)
        kept = out.read()
        if kept and not kept.endswith(b"\n"):
            out.truncate(kept.rfind(b"\n") + 1)
        out.seek(0, os.SEEK_END)
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
