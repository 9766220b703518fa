"""Connected components in DataFrames alone: large-star and small-star until nothing changes.

Kiveris et al., Connected Components in MapReduce and Beyond (SoCC 2014). Each round is two joins;
rounds grow with the logarithm of the longest path, and no worker ever holds the graph.
"""

from __future__ import annotations

from typing import Any

from schemas.errors import QualityError

MOST_ROUNDS = 100
"""A path of 2¹⁰⁰ nodes would need more."""


def first_of_each(spark: Any, edges: Any) -> Any:
    """``code`` and ``first_code`` of each node that has an edge in the DataFrame ``edges`` (a, b).

    QualityError when an edge joins two components at the end.
    """
    from pyspark.sql import functions as f

    # Adaptive execution has given wrong components before (GraphFrames #159): it is left out here.
    adaptive = spark.conf.get("spark.sql.adaptive.enabled")
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    try:
        given = edges.where("a <> b").select(
            f.greatest("a", "b").alias("u"), f.least("a", "b").alias("v")
        ).distinct().localCheckpoint()
        stars = _until_still(given)
        roots = stars.select(f.col("v").alias("code")).distinct()
        labels = stars.select(f.col("u").alias("code"), f.col("v").alias("first_code")).unionByName(
            roots.withColumn("first_code", f.col("code"))
        )
        alone = edges.where("a = b").select(f.col("a").alias("code")).distinct()
        alone = alone.join(labels, "code", "left_anti").withColumn("first_code", f.col("code"))
        labels = labels.unionByName(alone).localCheckpoint()
        _hold(given, labels)
        return labels
    finally:
        spark.conf.set("spark.sql.adaptive.enabled", adaptive)


def _until_still(edges: Any) -> Any:
    """Edges (u, v), u > v, of which in the end each node has one, to the least of its component."""
    before = _signature(edges)
    for _ in range(MOST_ROUNDS):
        edges = _small_star(_large_star(edges)).localCheckpoint()
        now = _signature(edges)
        if now == before:
            return edges
        before = now
    raise QualityError(
        "components have not come to rest", expected=f"at most {MOST_ROUNDS} rounds",
        got="edges that still change", todo="report this; --engine duckdb publishes meanwhile",
    )


def _signature(edges: Any) -> tuple[Any, ...]:
    """Equal for equal sets of edges, and hardly ever for others."""
    said = edges.selectExpr(
        "count(*)", "sum(CAST(u AS DECIMAL(38, 0)))", "sum(CAST(v AS DECIMAL(38, 0)))",
        "sum(CAST(xxhash64(u, v) AS DECIMAL(38, 0)))",
    )
    return tuple(said.collect()[0])


def _large_star(edges: Any) -> Any:
    """Each node's greater neighbours go to the least that it knows."""
    from pyspark.sql import functions as f

    turned = edges.select(f.col("v").alias("u"), f.col("u").alias("v"))
    both = edges.unionByName(turned)
    least = both.groupBy("u").agg(f.min("v").alias("least"))
    least = least.withColumn("least", f.least("u", "least"))
    # Only the turned edges lead from a node to a greater one.
    return turned.join(least, "u").select(f.col("v").alias("u"), f.col("least").alias("v"))


def _small_star(edges: Any) -> Any:
    """Each node and its lesser neighbours go to the least of these."""
    from pyspark.sql import functions as f

    least = edges.groupBy("u").agg(f.min("v").alias("least"))
    moved = edges.join(least, "u").select(f.col("v").alias("u"), f.col("least").alias("v"))
    kept = least.select("u", f.col("least").alias("v"))
    return moved.where("u <> v").unionByName(kept).distinct()


def _hold(edges: Any, labels: Any) -> None:
    """Every edge lies inside one component, and every node has one label."""
    from pyspark.sql import functions as f

    ends = [
        labels.select(f.col("code").alias(end), f.col("first_code").alias(f"first_{end}"))
        for end in ("u", "v")
    ]
    joined = edges.join(ends[0], "u", "left").join(ends[1], "v", "left")
    broken = joined.where("NOT first_u <=> first_v OR first_u IS NULL").count()
    twice = labels.count() - labels.select("code").distinct().count()
    if broken or twice:
        raise QualityError(
            "components of the cluster fail their proof",
            expected="every edge inside one component, every node in one",
            got=f"{broken} edges between two, {twice} nodes in two",
            todo="nothing was published; keep the lake as it is and report this",
        )
