"""Beam as the engine of a release: deliveries are staged by workers, the rest is DuckDB's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from jobs.beam.ranges import land
from jobs.engines import Engine
from jobs.settings import Settings
from lake.engines import beam
from lake.landing import Delivery, Landing
from lake.store import Lake
from pipelines.ingest import apart
from pipelines.ingest.apart import Numbered, Stretch
from pipelines.ingest.staging import Read
from schemas.programme import Programme
from schemas.sources import Source


def engine(options: Sequence[str] | None = None) -> Engine:
    """The engine with Beam's ``options``, by default those of the environment."""
    chosen = beam.options_of() if options is None else list(options)

    def stage(
        lake: Lake, settings: Settings, deliveries: Sequence[Delivery], folder: Path
    ) -> Sequence[Stretch]:
        landing = Landing(lake.landing.root.absolute())
        sources = {source.name: source for source in settings.sources}
        work = partial(_staged, sources, settings.programme, landing.read, folder)
        cut = apart.cuts(apart.numbered(deliveries), settings.sources)
        return beam.each(work, cut, folder, chosen)

    return Engine("beam", stage, land=partial(land, options=chosen))


def _staged(
    sources: dict[str, Source],
    programme: Programme,
    read: Read,
    folder: Path,
    stretch: list[Numbered],
) -> Stretch:
    numbers, files = zip(*stretch, strict=True)
    mine = [sources[files[0].source]]
    return apart.staged(files, numbers, mine, programme, read, folder)
