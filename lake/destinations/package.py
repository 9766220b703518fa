"""What is handed over, what comes back, and what every place can do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from lake import exports
from schemas.errors import DeliveryError, StorageError


@dataclass(frozen=True, slots=True)
class Package:
    """A written version of an export, as it lies in ``folder``."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, root: Path, name: str, version: str) -> Package:
        """The version as it was written; StorageError when its files are no longer those."""
        wrong = exports.faults(root, name, version)
        if wrong:
            raise StorageError(
                f"{version} of the export {name} is damaged", expected="the files of its manifest",
                got="; ".join(wrong[:3]), where=str(root / name / version),
                todo="bring them back, or withdraw the version and publish a newer release",
            )
        return cls(root / name / version, exports.manifest(root, name, version))

    @property
    def place(self) -> str:
        """Its path at the receiver: NAME/VERSION."""
        return f"{self.manifest['export']}/{self.manifest['version']}"

    @property
    def rows(self) -> int:
        """Rows of all parts."""
        return int(self.manifest["rows"])

    def parts(self) -> Iterator[tuple[str, Path, int]]:
        """Name, file and size of each part."""
        for part in self.manifest["parts"]:
            yield part["name"], self.folder / part["name"], part["bytes"]

    def manifest_bytes(self) -> bytes:
        """The manifest as it lies in the folder."""
        return (self.folder / exports.MANIFEST).read_bytes()

    def is_mine(self, found: bytes) -> bool:
        """Whether a manifest that lies at the receiver is this one."""
        try:
            other = json.loads(found)
        except ValueError:
            return False
        same = ("export", "version", "rows", "parts")
        return all(other.get(key) == self.manifest[key] for key in same)


    def found(self, manifest: bytes | None, where: str) -> Receipt:
        """What comes of a delivery to ``where`` something lies: nothing new, if it is this version.

        DeliveryError when it is something else; ``manifest`` is None where there is none.
        """
        if manifest is not None and self.is_mine(manifest):
            return Receipt(where, self.rows, is_new=False)
        raise DeliveryError(
            "something else lies where this version belongs", expected="nothing, or this version",
            got="no manifest" if manifest is None else "another manifest", where=where,
            todo="move it away, then deliver again",
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """What came of a delivery: where it lies, the rows accepted, and whether it was new there."""

    where: str
    rows: int
    is_new: bool = True


class Place(Protocol):
    """Somewhere to deliver to."""

    def deliver(self, package: Package) -> Receipt:
        """Hand ``package`` over, once.

        UnreachableError (exit 75) when the receiver does not answer or goes away in the middle,
        DeliveryError when it refuses.
        """
