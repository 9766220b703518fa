"""Spark: the same steps where one machine is too small. DataFrame and SQL API only, so that
classic Spark, Spark Connect and Sail are interchangeable."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from sqlglot import exp

from lake import conf
from lake.engines import parts, spark_components, spark_files
from lake.engines.cluster import Relation, Target, Written
from lake.engines.spark_sql import rendered
from schemas.errors import GuiyiError, UnreachableError
from schemas.step import Step

LOCAL = "local[2]"
LOG = Path("engines", "spark", "log4j2.properties")
Item = TypeVar("Item")
Result = TypeVar("Result")


def session(
    scratch: Path,
    parallelism: int = 2,
    master: str = "",
    archive: Path | None = None,
    options: Mapping[str, str] | None = None,
) -> Any:
    """A SparkSession in UTC; UsageError where pyspark or Java is missing.

    ``master`` is a cluster's address, else ``GUIYI_SPARK_MASTER``, else this machine; ``archive``
    a zip of our packages that its workers are given. UnreachableError when it does not answer.
    """
    parts.require(*parts.OF_ENGINE["spark"])
    from pyspark.sql import SparkSession

    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    place = master or os.environ.get("GUIYI_SPARK_MASTER") or LOCAL
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.caseSensitive": "true",
        "spark.sql.shuffle.partitions": str(parallelism),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.sources.partitionOverwriteMode": "dynamic",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "100000",
        "spark.sql.files.openCostInBytes": "65536",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.local.dir": str(scratch / "local"),
        "spark.driver.memory": os.environ.get("GUIYI_SPARK_MEMORY", "2g"),
        "spark.driver.extraJavaOptions": java_options(),
    }
    if place.startswith("local"):
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        settings |= {"spark.driver.bindAddress": "127.0.0.1", "spark.driver.host": "127.0.0.1"}
    if archive is not None:
        settings["spark.submit.pyFiles"] = str(archive)
    builder = SparkSession.builder.master(place).appName("guiyi")
    for name, value in {**settings, **(options or {})}.items():
        builder = builder.config(name, value)
    with told(f"Spark at {place} does not answer", UnreachableError):
        return builder.getOrCreate()


def java_options() -> str:
    """Options of the driver's JVM: its log has errors only, since ours says what goes on."""
    return f"-Dlog4j2.configurationFile={(conf.folder() / LOG).absolute().as_uri()}"


@contextmanager
def told(what: str, kind: type[GuiyiError] = GuiyiError) -> Iterator[None]:
    """Errors of Spark as ours: the root of them, without the JVM's trace."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JError, ConnectionError) as error:
        raise kind(
            what, got=cause(str(error)), todo="see Spark's log; run again, or with --engine duckdb"
        ) from error


def cause(said: str) -> str:
    """The line of an error that names its cause: of a worker's Python the last, else the first."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    named = [n for n, line in enumerate(lines) if line.startswith("Traceback (most recent")]
    if named:
        after = (line for line in lines[named[-1] + 1 :] if not line.startswith("File "))
        causes = [line for line in after if _is_cause(line)]
        return causes[0] if causes else lines[0]
    # A JVM's error: its own words come after those of the bridge.
    said_by_jvm = [line.removeprefix(": ") for line in lines if line.startswith(": ")]
    return (said_by_jvm or lines or ["no reason"])[0]


def _is_cause(line: str) -> bool:
    name = line.split(":")[0]
    return ":" in line and name.replace(".", "").replace("_", "").isalnum()


class SparkCluster:
    """A session as a cluster that works for drafts."""

    def __init__(self, spark: Any) -> None:
        self.spark = spark

    def write(self, query: exp.Expr, reads: Mapping[str, Relation], target: Target) -> Written:
        """Run ``query`` over the relations that it names, and write what it gives."""
        with told(f"Spark could not write {target.folder.name}"):
            for name, relation in reads.items():
                spark_files.frame(self.spark, relation).createOrReplaceTempView(name)
            return spark_files.write(self.spark.sql(rendered(query)), target)

    def components(self, edges: Relation, folder: Path) -> Relation:
        """``code`` and ``first_code``, the least node that edges (a, b) join it to, of each node
        that has an edge; files below ``folder``."""
        schema = pa.schema([("code", pa.int64()), ("first_code", pa.int64())])
        with told("Spark could not find components"):
            frame = spark_files.frame(self.spark, edges)
            labels = spark_components.first_of_each(self.spark, frame)
            written = spark_files.write(labels, Target(folder, schema))
        return Relation(schema, [path for path, _ in written])

    def each(self, work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """``work`` done for each of ``items`` by the workers; results in the order of items."""
        import pyspark

        cloudpickle: Any = pyspark.cloudpickle
        given = [cloudpickle.dumps(item) for item in items]
        if not given:
            return []
        kind = pa.schema([("place", pa.int64()), ("said", pa.binary())])

        def mapped(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for batch in batches:
                for row in batch.to_pylist():
                    said = cloudpickle.dumps(work(cloudpickle.loads(row["said"])))
                    yield pa.record_batch([[row["place"]], [said]], schema=kind)

        with told("a worker of Spark could not do its part"):
            table = pa.table([range(len(given)), given], schema=kind)
            frame = self.spark.createDataFrame(table).repartition(len(given))
            found = frame.mapInArrow(mapped, "place long, said binary").toArrow()
        results = sorted(zip(found["place"].to_pylist(), found["said"].to_pylist(), strict=True))
        return [cloudpickle.loads(said) for _, said in results]


def run(spark: Any, step: Step, tables: Mapping[str, Sequence[str]]) -> pa.Table:
    """Run a ``rows`` or ``sql`` step; ``tables`` maps the names it reads to Parquet files."""
    frames = {name: spark.read.parquet(*paths) for name, paths in tables.items()}
    if step.kind == "sql":
        assert step.sql is not None
        for name, frame in frames.items():
            frame.createOrReplaceTempView(name)
        return spark.sql(rendered(step.sql)).toArrow()
    assert step.rows is not None
    assert step.schema is not None
    rows = step.rows

    def mapped(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield rows(batch)

    from pyspark.sql.pandas.types import from_arrow_schema

    (frame,) = frames.values()
    return frame.mapInArrow(mapped, from_arrow_schema(step.schema)).toArrow()
