"""Entry point of the second environment: runs one streaming job in Flink until told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import msgspec

from jobs import settings
from jobs.streaming.kinds import KINDS
from lake.engines import flink, flink_counts


def main(name: str, request: str, conf: str | None = None) -> int:
    """Run the job ``name`` as ``request`` (a file, removed at once) says; 0 when it was stopped."""
    job = msgspec.json.decode(Path(request).read_bytes(), type=flink.Job)
    Path(request).unlink()
    over = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: over.set())
    settled = settings.read(Path(conf) if conf else None)
    if name == "counts":
        running = flink_counts.submitted(settled.sources, job)
    else:
        secret = os.environ["GUIYI_IDENTIFIER_SECRET"].encode()
        running = flink.submitted(KINDS[name].keyed(settled, secret), job)
    return flink.watched(running, job, over)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
