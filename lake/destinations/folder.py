"""A folder that the receiver reads too: a version appears in it whole, by one rename."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lake import crash, exports
from lake.destinations.package import Package, Receipt
from schemas.errors import DeliveryError, StorageError


class FolderPlace:
    """The folder ``root``; versions lie in it as they do below the lake."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def deliver(self, package: Package) -> Receipt:
        """Copy the version beside its place, then give it its name."""
        target = self.root / package.place
        try:
            if target.exists():
                return self._known(target, package)
            draft = target.parent / f".{target.name}.{os.getpid()}"
            try:
                _copy(package, draft)
                draft.rename(target)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        except OSError as error:
            raise StorageError(
                "an export could not be handed over to a folder", got=str(error),
                where=str(target),
                todo="free some disk space or mend the permissions, then deliver it again",
            ) from error
        return Receipt(str(target), package.rows)

    def _known(self, target: Path, package: Package) -> Receipt:
        path = target / exports.MANIFEST
        if path.exists() and package.is_mine(path.read_bytes()):
            return Receipt(str(target), package.rows, is_new=False)
        raise DeliveryError(
            "something else lies where this version belongs", expected="nothing, or this version",
            got="another manifest" if path.exists() else "no manifest", where=str(target),
            todo="move it away, then deliver again",
        )


def _copy(package: Package, draft: Path) -> None:
    for stale in draft.parent.glob(f"{draft.stem}.*") if draft.parent.exists() else ():
        shutil.rmtree(stale, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, path, _ in package.parts():
        shutil.copyfile(path, draft / name)
        crash.point("handover.between_parts")
    crash.point("handover.before_manifest")
    (draft / exports.MANIFEST).write_bytes(package.manifest_bytes())
