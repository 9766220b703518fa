"""Spark as the engine of a release: deliveries are staged by workers, queries run as DataFrames."""

from __future__ import annotations

import atexit
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from jobs.engines import Engine
from jobs.settings import Settings
from lake.engines import archive
from lake.engines.spark import SparkCluster, session
from lake.landing import Delivery, Landing
from lake.store import Lake
from pipelines.ingest import apart
from pipelines.ingest.apart import Numbered, Stretch


@cache
def opened(master: str = "") -> Engine:
    """The engine of this process's one session, with our code on every worker.

    It is started at the first call and stays until the process ends, so that a backfill of many
    dates starts it once.
    """
    ending = ExitStack()
    atexit.register(ending.close)
    folder = Path(ending.enter_context(TemporaryDirectory(ignore_cleanup_errors=True)))
    code = archive.pack(folder / "guiyi.zip")
    cluster = SparkCluster(session(folder, master=master, archive=code))
    ending.callback(cluster.spark.stop)
    return engine(cluster)


def engine(cluster: SparkCluster) -> Engine:
    """The engine of a session that somebody else ends."""

    def stage(
        lake: Lake, settings: Settings, deliveries: Sequence[Delivery], folder: Path
    ) -> Sequence[Stretch]:
        landing = Landing(lake.landing.root.absolute())
        sources = {source.name: source for source in settings.sources}
        programme = settings.programme

        def work(stretch: list[Numbered]) -> Stretch:
            numbers, files = zip(*stretch, strict=True)
            mine = [sources[files[0].source]]
            return apart.staged(files, numbers, mine, programme, landing.read, folder)

        cut = apart.cuts(apart.numbered(deliveries), settings.sources)
        return cluster.each(work, cut)

    return Engine("spark", stage, cluster)
