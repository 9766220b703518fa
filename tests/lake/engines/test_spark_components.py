"""Components found by Spark: the same as the kernel's, whatever the shape of the graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lake.engines.cluster import Relation
from lake.engines.duckdb import Session
from lake.engines.spark import SparkCluster
from pipelines.components import first_of_each
from pipelines.identity.labels import EDGES, on
from schemas.errors import QualityError

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

COUNT = 400


def edges_of(a: list[int], b: list[int]) -> pa.Table:
    return pa.table({"a": pa.array(a, pa.int64()), "b": pa.array(b, pa.int64())})


def graphs() -> pa.Table:
    """Many graphs as one, side by side: sparse and dense ones, a path, a ring, loops, a clique."""
    draw = np.random.default_rng(7)
    a: list[int] = []
    b: list[int] = []
    for number, density in enumerate((0.3, 0.6, 1.0, 2.0)):
        ends = draw.integers(0, COUNT, (2, int(COUNT * density))) + number * COUNT
        a += ends[0].tolist()
        b += ends[1].tolist()
    path = (draw.permutation(COUNT) + 4 * COUNT).tolist()
    ring = [*range(5 * COUNT, 5 * COUNT + 60)]
    clique = [*range(5 * COUNT + 60, 5 * COUNT + 80)]
    loops = [*range(5 * COUNT + 80, 5 * COUNT + 90)]
    a += [*path[:-1], *ring, *loops, *(one for one in clique for _ in clique)]
    b += [*path[1:], *ring[1:], ring[0], *loops, *(clique * len(clique))]
    return edges_of(a, b)


def test_components_of_spark_are_those_of_the_kernel(
    spark_cluster: SparkCluster, tmp_path: Path
) -> None:
    edges = graphs()
    with Session(tmp_path / "spill") as session:
        session.register("given", edges)
        found = on(spark_cluster, tmp_path)(session, 6 * COUNT, "SELECT a, b FROM given")
    wanted = first_of_each(6 * COUNT, edges["a"].to_numpy(), edges["b"].to_numpy())
    assert found.tolist() == wanted.tolist()
    assert len(set(found.tolist())) > 500


def test_a_graph_without_edges_has_no_components(
    spark_cluster: SparkCluster, tmp_path: Path
) -> None:
    pq.write_table(edges_of([], []), tmp_path / "none.parquet")
    for paths in ([], [str(tmp_path / "none.parquet")]):
        found = spark_cluster.components(Relation(EDGES, paths), tmp_path / "labels")
        assert sum(pq.read_metadata(path).num_rows for path in found.paths) == 0


class Forgetful:
    """A cluster that leaves one node out of its component."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def components(self, edges: Relation, folder: Path) -> Relation:
        schema = pa.schema([("code", pa.int64()), ("first_code", pa.int64())])
        pq.write_table(pa.table([[0, 1, 2], [0, 0, 2]], schema=schema), self.folder / "l.parquet")
        return Relation(schema, [str(self.folder / "l.parquet")])


def test_other_components_than_the_kernels_publish_nothing(tmp_path: Path) -> None:
    label: Any = on(Forgetful(tmp_path), tmp_path)  # type: ignore[arg-type]
    with Session(tmp_path / "spill") as session:
        session.register("given", edges_of([0, 1], [1, 2]))
        with pytest.raises(QualityError, match="1 of 3 nodes"):
            label(session, 3, "SELECT a, b FROM given")
