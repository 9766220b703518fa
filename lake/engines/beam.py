"""Beam: bounded work for whatever runner there is; elements are Arrow batches or larger still.

The default is Beam's own runner in this process, given by name: left to choose, Beam would try to
download one. Options are Beam's: ``--direct_num_workers=2 --direct_running_mode=multi_processing``,
``--runner=DaskRunner --dask_npartitions=4``, ``--runner=PortableRunner --job_endpoint=…``.
"""

from __future__ import annotations

import logging
import os
import pickle
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
from apache_beam.internal import pickler
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions

from schemas.errors import GuiyiError, UsageError
from schemas.step import Step

OPTIONS = "GUIYI_BEAM_OPTIONS"
"""Environment variable: Beam's options, where none are given."""
ROWS_PER_BATCH = 100_000
_LONG = {"DaskRunner": "apache_beam.runners.dask.dask_runner.DaskRunner"}
"""Beam knows its other runners by their short names."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def options_of(said: str | None = None) -> list[str]:
    """Beam's options as they are written on a command line, by default those of ``OPTIONS``."""
    try:
        return shlex.split(os.environ.get(OPTIONS, "") if said is None else said)
    except ValueError as error:
        raise UsageError(
            "Beam's options cannot be read", expected="as on a command line", got=str(error),
            where=OPTIONS,
        ) from error


@contextmanager
def pipeline(options: Sequence[str] = ()) -> Iterator[Any]:
    """A pipeline that is run to its end when the context is left; GuiyiError when it fails."""
    chosen = PipelineOptions(list(options))
    name = chosen.view_as(StandardOptions).runner
    # Beam warns of whatever it cannot take along; what is wrong it raises.
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    try:
        made = beam.Pipeline(runner=_LONG.get(name, name) or _own(), options=chosen)
    except (ValueError, ImportError) as error:
        raise UsageError(
            "this runner cannot be had", expected="a runner of Beam that is installed",
            got=f"{name}: {str(error).splitlines()[0]}", where="Beam's option --runner",
            todo="leave --runner out, or install what it needs (apache-beam[dask] for DaskRunner)",
        ) from error
    yield made
    try:
        made.run().wait_until_finish()
    except GuiyiError:
        raise
    except Exception as error:
        raise GuiyiError(
            "a pipeline of Beam failed", got=_root(error), where=name or "FnApiRunner",
            todo="see the log; run again, or with --engine duckdb",
        ) from error


def _own() -> Any:
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    return FnApiRunner()


def _root(error: BaseException) -> str:
    """The line of a worker's error that names the cause; a runner wraps it in its own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


class _Work(beam.DoFn):  # type: ignore[misc]
    """Does the work of a numbered item and keeps what it gives under its number."""

    def __init__(self, work: bytes, folder: str) -> None:
        self.work, self.folder = work, folder

    def process(self, element: tuple[int, Any]) -> Iterator[int]:
        number, item = element
        said = pickle.dumps(pickler.loads(self.work)(item))
        path = Path(self.folder) / f"{number}.pickle"
        # A runner may try twice, even at once: the file is one whole answer or the other.
        fresh = path.with_suffix(f".{os.urandom(4).hex()}")
        fresh.write_bytes(said)
        fresh.replace(path)
        yield number


def each(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    folder: Path,
    options: Sequence[str] = (),
) -> list[Result]:
    """``work`` done for each of ``items`` by the workers; results in the order of items.

    ``folder`` is one that driver and workers see.
    """
    if not items:
        return []
    with TemporaryDirectory(dir=folder, prefix="beam-") as told:
        with pipeline(options) as made:
            _ = (
                made
                | beam.Create(list(enumerate(items)))
                | beam.Reshuffle()
                | beam.ParDo(_Work(pickler.dumps(work), told))
            )
        return [
            pickle.loads((Path(told) / f"{number}.pickle").read_bytes())
            for number in range(len(items))
        ]


class _Batches(beam.DoFn):  # type: ignore[misc]
    """Arrow batches of a Parquet file."""

    def process(self, element: str) -> Iterator[pa.RecordBatch]:
        yield from pq.ParquetFile(element).iter_batches(ROWS_PER_BATCH)


class _Keep(beam.DoFn):  # type: ignore[misc]
    """Writes each Arrow batch to a Parquet file of its own."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def process(self, element: pa.RecordBatch) -> Iterator[str]:
        path = Path(self.folder) / f"{os.urandom(8).hex()}.parquet"
        pq.write_table(pa.Table.from_batches([element]), path)
        yield str(path)


def run(
    step: Step, tables: Mapping[str, Sequence[str]], folder: Path, options: Sequence[str] = ()
) -> pa.Table:
    """Run a ``rows`` step; ``tables`` maps the name it reads to Parquet files.

    NotImplementedError for other kinds: Beam's SQL is a Java service that it would download.
    """
    if step.kind != "rows":
        raise NotImplementedError(f"Beam runs no {step.kind} steps")
    assert step.rows is not None
    assert step.schema is not None
    (paths,) = tables.values()
    with TemporaryDirectory(dir=folder, prefix="beam-") as told:
        with pipeline(options) as made:
            _ = (
                made
                | beam.Create(list(paths))
                | beam.Reshuffle()
                | beam.ParDo(_Batches())
                | beam.Map(step.rows)
                | beam.ParDo(_Keep(told))
            )
        return _together(sorted(Path(told).glob("*.parquet")), step.schema)


def _together(paths: Iterable[Path], schema: pa.Schema) -> pa.Table:
    found = [pq.read_table(path, partitioning=None).cast(schema) for path in paths]
    return pa.concat_tables(found) if found else schema.empty_table()
