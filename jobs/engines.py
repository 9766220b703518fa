"""The engines that a release's heavy steps may run on; whatever they run, the answer is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from jobs.settings import Settings
from lake.engines import parts
from lake.engines.cluster import Cluster
from lake.landing import Delivery
from lake.store import Lake
from pipelines.ingest.apart import Stretch
from schemas.errors import UsageError

Stage = Callable[[Lake, Settings, Sequence[Delivery], Path], Sequence[Stretch]]
"""Parses deliveries into files below a folder, as stretches that ``ingest.load`` takes."""
Land = Callable[[Lake, Settings], int]
"""Lands what the topics hold; how many rows."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs a release's heavy steps; a step that it does not run, DuckDB does."""

    name: str
    stage: Stage | None = None
    cluster: Cluster | None = None
    land: Land | None = None


DUCKDB = Engine("duckdb")


@contextmanager
def opened(name: str, master: str = "") -> Iterator[Engine]:
    """The engine ``name``, ready to work; UsageError where a part of it is missing.

    ``master`` is the address of its cluster, this machine when empty.
    """
    if name == "duckdb":
        yield DUCKDB
        return
    with _engine(name, master) as engine:
        yield engine


def _engine(name: str, master: str) -> AbstractContextManager[Engine]:
    parts.require(*parts.OF_ENGINE.get(name, ()))
    if name == "spark":
        from jobs.spark.engine import opened as on_spark

        return nullcontext(on_spark(master))
    if name == "beam":
        from jobs.beam.engine import engine as on_beam

        return nullcontext(on_beam())
    raise UsageError(
        "no release runs on this engine", expected="duckdb, spark or beam", got=name
    )
