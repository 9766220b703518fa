"""The tables that the resolution reads (``work_…``), of some of the pairs.

A pair is a bundle of two. Its receipts are the first and the last day of each of its rows; a row
without a date counts as seen when the later of its two ends was first, or in 1970 where no row of
either has one. An identifier stands in them by its number, which sorts as its key does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lake.engines.duckdb import Session
from pipelines.edges.graph import LATE, Array, Flags, Graph
from pipelines.edges.texts import Ints

UNDATED = 0
"""Microseconds since 1970 at which everything was seen that has no date."""

_MEMBERS = """
CREATE OR REPLACE TEMP TABLE work_members AS
SELECT bundle_id, identifier_key, type, '' AS path FROM edge_members
"""

_RECEIPTS = """
CREATE OR REPLACE TEMP TABLE work_receipts AS
WITH timed AS (
  SELECT bundle_id, source, is_dated, "count", make_timestamp(first) AS first_at,
    make_timestamp(last) AS last_at
  FROM edge_rows
),
seen AS (
  SELECT bundle_id, source, is_dated, "count", first_at, CAST(first_at AS DATE) AS business_date,
    CASE WHEN CAST(first_at AS DATE) = CAST(last_at AS DATE) THEN last_at ELSE first_at END
      AS last_at
  FROM timed
  UNION ALL
  SELECT bundle_id, source, is_dated, 0, last_at, CAST(last_at AS DATE), last_at FROM timed
  WHERE CAST(first_at AS DATE) <> CAST(last_at AS DATE)
),
days AS (
  SELECT bundle_id, source, is_dated, business_date, min(first_at) AS first_at,
    max(last_at) AS last_at, CAST(sum("count") AS BIGINT) AS "count"
  FROM seen GROUP BY ALL
)
SELECT *, first_at AS received_at, '' AS event_id,
  row_number() OVER (ORDER BY first_at, source, bundle_id, business_date, is_dated) AS receipt_no
FROM days
"""

_BUNDLES = """
CREATE OR REPLACE TEMP TABLE work_bundles AS
SELECT bundle_id, min(receipt_no) AS receipt_no, min(business_date) AS first_on,
  max(business_date) AS last_on
FROM work_receipts GROUP BY bundle_id
"""


def lay_out(session: Session, graph: Graph, chosen: Ints) -> None:
    """Make ``work_members``, ``work_receipts`` and ``work_bundles`` of the pairs at ``chosen``."""
    _members(session, graph, chosen)
    with _Shown(session, "edge_rows", _rows(graph, chosen)):
        session.execute(_RECEIPTS)
    session.execute(_BUNDLES)


class _Shown:
    """Shows Arrow data under a name for the length of a block."""

    def __init__(self, session: Session, name: str, rows: pa.Table) -> None:
        self._session, self._name = session, name
        session.register(name, rows)

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None:
        self._session.con.unregister(self._name)


def _members(session: Session, graph: Graph, chosen: Ints) -> None:
    ends = np.concatenate([graph.pairs[chosen] >> 32, graph.pairs[chosen] & 0xFFFFFFFF])
    rows = {
        "bundle_id": np.concatenate([chosen, chosen]),
        "identifier_key": ends,
        "type": graph.type_names(ends).cast(pa.string()),
    }
    with _Shown(session, "edge_members", pa.table(rows)):
        session.execute(_MEMBERS)


def _rows(graph: Graph, chosen: Ints) -> pa.Table:
    rows, order = graph.rows, graph.order
    sizes = np.diff(graph.starts)[chosen]
    if order is None:
        # Rows of a pair that have nothing but their pair are as good as one.
        bundle, places, count = chosen, graph.starts[chosen], sizes
    else:
        begins = np.repeat(graph.starts[chosen] - np.append(0, np.cumsum(sizes)[:-1]), sizes)
        bundle, places = np.repeat(chosen, sizes), order[begins + np.arange(len(begins))]
        count = np.ones(len(places), np.int64) if rows.count is None else rows.count[places]
    source = pa.nulls(len(places), pa.string())
    if rows.source is not None:
        source = pa.array(graph.sources, pa.string()).take(pa.array(rows.source[places]))
    first, last, is_dated = _moments(graph, places)
    columns: dict[str, Any] = {
        "bundle_id": bundle, "first": first, "last": last, "is_dated": is_dated, "count": count,
        "source": source.fill_null(""),
    }  # fmt: skip
    return pa.table(columns)


def _moments(graph: Graph, places: Array) -> tuple[Ints, Ints, Flags]:
    """First and last moment of rows, and whether they are theirs."""
    rows = graph.rows
    if rows.first is None or rows.last is None:
        moment = np.full(len(places), UNDATED)
        return moment, moment, np.zeros(len(places), np.bool_)
    first, last = rows.first[places], rows.last[places]
    bare = first == LATE
    if bare.any():
        met = _first_seen(graph)
        pairs = rows.pairs[places][bare]
        a, b = met[pairs >> 32], met[pairs & 0xFFFFFFFF]
        later = np.maximum(np.where(a == LATE, b, a), np.where(b == LATE, a, b))
        first[bare] = last[bare] = np.where(later == LATE, UNDATED, later)
    return first, last, ~bare


def _first_seen(graph: Graph) -> npt.NDArray[np.int64]:
    """The first sight of each identifier; ``LATE`` where no row of it has a date."""
    from pipelines.edges.kernels import first_days

    firsts = np.full(len(graph.keys), LATE)
    if graph.rows.first is not None:
        first_days(graph.rows.pairs, graph.rows.first, firsts)
    return firsts
