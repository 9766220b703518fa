"""Destinations: places of others to which a version of an export is handed over, each once.

Each kind is one module with one class that has ``deliver``. All keep the same promise: a receiver
that waits for the manifest never sees half a version, and a version that was delivered before is
found to be there and not delivered again (a webhook's receiver knows it by its ``webhook-id``).
"""

from __future__ import annotations

from pathlib import Path

from lake.destinations.package import Package, Place, Receipt
from schemas.destinations import Destination

__all__ = ["Package", "Place", "Receipt", "open_place"]


def open_place(destination: Destination, root: Path) -> Place:
    """The place of ``destination``; relative folders lie below ``root``.

    ConfigError when a credential that it names is not given.
    """
    if destination.folder is not None:
        from lake.destinations.folder import FolderPlace

        return FolderPlace(root / destination.folder.path)
    if destination.object_store is not None:
        from lake.destinations.object_store import ObjectStorePlace

        return ObjectStorePlace(destination.object_store)
    if destination.sftp is not None:
        from lake.destinations.sftp import SftpPlace

        return SftpPlace(destination.sftp)
    from lake.destinations.webhook import WebhookPlace

    assert destination.webhook is not None
    return WebhookPlace(destination.webhook)
