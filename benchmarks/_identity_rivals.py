"""Others that give each identifier of string edges its group; runs in ``.venv-rivals``.

``python benchmarks/_identity_rivals.py NAME EDGES OUT`` prints the seconds that it took from
Parquet (type_a, value_a, type_b, value_b) to Parquet (type, value, cluster), imports left out.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

_IDENTIFIER = "split_part(id, ':', 1) AS type, substr(id, instr(id, ':') + 1) AS value"


def splink(edges: str, out: str) -> Callable[[], None]:
    """Splink's clustering on DuckDB, which has all cores and its own memory limit."""
    import duckdb
    from splink import DuckDBAPI
    from splink.clustering import cluster_pairwise_predictions_at_threshold

    def work() -> None:
        with tempfile.TemporaryDirectory() as spill, duckdb.connect() as con:
            con.execute(f"SET temp_directory = '{spill}'")
            con.execute("SET enable_progress_bar = false")
            con.execute(
                "CREATE TABLE edges AS SELECT type_a || ':' || value_a AS id_l, "
                f"type_b || ':' || value_b AS id_r FROM read_parquet('{edges}')"
            )
            con.execute(
                "CREATE TABLE nodes AS SELECT id_l AS id FROM edges UNION SELECT id_r FROM edges"
            )
            found = cluster_pairwise_predictions_at_threshold(
                con.table("nodes"), con.table("edges"), DuckDBAPI(con), "id", "id_l", "id_r"
            )
            con.execute(
                f"COPY (SELECT {_IDENTIFIER}, cluster_id AS cluster FROM {found.physical_name}) "
                f"TO '{out}' (FORMAT parquet)"
            )

    return work


def networkx(edges: str, out: str) -> Callable[[], None]:
    """networkx's own connected components over a graph of strings."""
    import networkx as nx
    import pyarrow as pa

    def work() -> None:
        a, b = (one.to_pylist() for one in _ends(edges))
        graph: Any = nx.Graph()
        graph.add_edges_from(zip(a, b, strict=True))
        ids, clusters = [], []
        for number, group in enumerate(nx.connected_components(graph)):
            ids.extend(group)
            clusters.extend([number] * len(group))
        _write(pa.array(ids, pa.string()), pa.array(clusters, pa.int64()), out)

    return work


def igraph(edges: str, out: str) -> Callable[[], None]:
    """igraph's components over codes that Arrow gives the strings."""
    import igraph as ig
    import numpy as np
    import pyarrow as pa

    def work() -> None:
        ids, a, b = _coded(edges)
        graph = ig.Graph(n=len(ids), edges=np.column_stack([a, b]))
        _write(ids, pa.array(graph.connected_components().membership, pa.int64()), out)

    return work


def scipy(edges: str, out: str) -> Callable[[], None]:
    """scipy.sparse.csgraph over codes that Arrow gives the strings."""
    import numpy as np
    import pyarrow as pa
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    def work() -> None:
        ids, a, b = _coded(edges)
        matrix = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(ids), len(ids)))
        _, labels = connected_components(matrix, directed=False)
        _write(ids, pa.array(labels, pa.int64()), out)

    return work


def _ends(edges: str) -> tuple[Any, Any]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    rows = pq.read_table(edges)
    return (
        pc.binary_join_element_wise(rows["type_a"], rows["value_a"], ":"),
        pc.binary_join_element_wise(rows["type_b"], rows["value_b"], ":"),
    )


def _coded(edges: str) -> tuple[Any, Any, Any]:
    import pyarrow as pa

    a, b = _ends(edges)
    both = pa.chunked_array([*a.chunks, *b.chunks], pa.string()).cast(pa.large_string())
    coded = both.combine_chunks().dictionary_encode()
    codes = coded.indices.to_numpy()
    return coded.dictionary.cast(pa.string()), codes[: len(a)], codes[len(a) :]


def _write(ids: Any, clusters: Any, out: str) -> None:
    import duckdb
    import pyarrow as pa

    with duckdb.connect() as con:
        con.register("found", pa.table({"id": ids, "cluster": clusters}))
        con.execute(
            f"COPY (SELECT {_IDENTIFIER}, cluster FROM found) TO '{out}' (FORMAT parquet)"
        )


RIVALS = {"splink": splink, "networkx": networkx, "igraph": igraph, "scipy": scipy}


def main(name: str, edges: str, out: str) -> None:
    """Run one and print its seconds."""
    work = RIVALS[name](edges, out)
    start = time.perf_counter()
    work()
    print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
