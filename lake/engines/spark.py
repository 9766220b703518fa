"""Spark: the same steps where one machine is too small. DataFrame and SQL API only, so that
classic Spark, Spark Connect and Sail are interchangeable."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.errors import GuiyiError
from schemas.step import Step


def session(scratch: Path, parallelism: int = 2) -> Any:
    """A local SparkSession in UTC; GuiyiError where pyspark or Java is missing."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise GuiyiError(
            "Spark is not installed",
            expected="pyspark 4.2",
            got="none",
            todo="pip install 'guiyi[spark]', and Java 17; see `guiyi doctor`",
        ) from error
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    settings = {
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(parallelism),
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.sources.partitionOverwriteMode": "dynamic",
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.local.dir": str(scratch / "local"),
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder.master(f"local[{parallelism}]").appName("guiyi")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def run(spark: Any, step: Step, tables: Mapping[str, Sequence[str]]) -> pa.Table:
    """Run a ``rows`` or ``sql`` step; ``tables`` maps the names it reads to Parquet files."""
    frames = {name: spark.read.parquet(*paths) for name, paths in tables.items()}
    if step.kind == "sql":
        assert step.sql is not None
        for name, frame in frames.items():
            frame.createOrReplaceTempView(name)
        return spark.sql(step.sql.sql(dialect="spark")).toArrow()
    assert step.rows is not None
    assert step.schema is not None
    rows = step.rows

    def mapped(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield rows(batch)

    from pyspark.sql.pandas.types import from_arrow_schema

    (frame,) = frames.values()
    return frame.mapInArrow(mapped, from_arrow_schema(step.schema)).toArrow()
