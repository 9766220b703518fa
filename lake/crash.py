"""Named crash points: where a test ends the process as ``kill -9`` would.

``GUIYI_CRASH_AT=name`` kills the process when it reaches that point; without it they do nothing.
"""

from __future__ import annotations

import os
import signal

POINTS = (
    "landing.before_manifest",
    "draft.after_files",
    "publish.before_commit",
    "publish.between_tables",
    "publish.before_release",
    "publish.after_release",
    "snapshot.before_pointer",
    "export.between_parts",
    "export.before_manifest",
    "export.before_rename",
    "export.after_rename",
    "export.withdrawn",
    "handover.before_delivery",
    "handover.between_parts",
    "handover.before_manifest",
    "handover.before_record",
    "erase.after_delivery",
    "erase.before_manifest",
    "erase.between_files",
    "erase.before_publish",
    "erase.before_receipt",
    "stream.before_checkpoint",
    "stream.after_checkpoint",
    "stream.between_outs",
    "stream.after_outs",
    "topic.before_end",
    "land.after_read",
    "land.after_files",
    "land.before_commit",
    "land.after_commit",
    "landed.before_drop",
    "landed.before_vacuum",
)


def point(name: str) -> None:
    """End the process here if ``GUIYI_CRASH_AT`` names this point."""
    assert name in POINTS, name
    if os.environ.get("GUIYI_CRASH_AT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
