"""A folder that the receiver reads too: a version appears in it whole, by one rename."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from lake import crash, exports
from lake.destinations.package import Package, Receipt
from schemas.errors import StorageError


class FolderPlace:
    """The folder ``root``; versions lie in it as they do below the lake."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def deliver(self, package: Package) -> Receipt:
        """Copy the version beside its place, then give it its name."""
        target = self.root / package.place
        try:
            if target.exists():
                path = target / exports.MANIFEST
                return package.found(path.read_bytes() if path.exists() else None, str(target))
            fresh = [one for one in target.parents if not one.exists()]
            draft = target.parent / f".{target.name}.{os.getpid()}"
            try:
                _copy(package, draft)
                draft.rename(target)
                for folder in (target.parent, *(one.parent for one in fresh)):
                    exports.sync(folder)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
        except OSError as error:
            raise StorageError(
                "an export could not be handed over to a folder", got=str(error),
                where=str(target),
                todo="free some disk space or mend the permissions, then deliver it again",
            ) from error
        return Receipt(str(target), package.rows)


def _copy(package: Package, draft: Path) -> None:
    for stale in draft.parent.glob(f"{draft.stem}.*") if draft.parent.exists() else ():
        shutil.rmtree(stale, ignore_errors=True)
    draft.mkdir(parents=True)
    for name, path, _ in package.parts():
        shutil.copyfile(path, draft / name)
        exports.sync(draft / name)
        crash.point("handover.between_parts")
    crash.point("handover.before_manifest")
    (draft / exports.MANIFEST).write_bytes(package.manifest_bytes())
    exports.sync(draft / exports.MANIFEST)
    exports.sync(draft)
