"""Components of a graph that the session knows as a query of edges, found here or by a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from lake.engines.cluster import Cluster, Relation
from lake.engines.duckdb import Session
from pipelines.components import Components, first_of_each
from pipelines.components.constrained import Ints
from schemas.errors import QualityError

EDGES = pa.schema([("a", pa.int64()), ("b", pa.int64())])
Label = Callable[[Session, int, str], Ints]
"""For each of so many nodes the least of its component, of the edges (a, b) of a query."""


def here(session: Session, count: int, edges: str) -> Ints:
    """By the compiled kernel in this process."""
    found = session.table(edges)
    return first_of_each(count, ints(found["a"]), ints(found["b"]))


def on(cluster: Cluster, scratch: Path) -> Label:
    """By ``cluster``, over files below ``scratch``; each time the kernel goes over it again.

    QualityError where the two do not part the nodes alike.
    """

    def label(session: Session, count: int, edges: str) -> Ints:
        written = session.write(edges, EDGES, scratch / "edges", None)
        relation = Relation(EDGES, [path for path, _ in written])
        labels = cluster.components(relation, scratch / "labels")
        session.view("work_found", labels.schema, labels.paths)
        found = session.table("SELECT code, first_code FROM work_found")
        session.execute("DROP VIEW work_found")
        first = np.arange(count, dtype=np.int64)
        first[ints(found["code"])] = ints(found["first_code"])
        _hold(session, relation, first)
        return first

    return label


def _hold(session: Session, edges: Relation, first: Ints) -> None:
    session.view("work_edges", edges.schema, edges.paths)
    graph = Components(len(first))
    for batch in session.con.sql("SELECT a, b FROM work_edges").to_arrow_reader(1_000_000):
        graph.unite(batch["a"].to_numpy(), batch["b"].to_numpy())
    session.execute("DROP VIEW work_edges")
    differ = int(np.count_nonzero(graph.first() != first))
    if differ:
        raise QualityError(
            "the cluster's components are not those of the kernel",
            expected="the same label for every node",
            got=f"{differ} of {len(first)} nodes with another",
            todo="nothing was published; --engine duckdb publishes meanwhile; report this",
        )


def ints(column: pa.ChunkedArray) -> Ints:
    """A column without NULL as an array."""
    return np.asarray(column.to_numpy(), np.int64)
