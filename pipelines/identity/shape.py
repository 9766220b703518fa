"""The shape of a resolution's graph: its numbers, its labels and what its links join.

Arrays in, and out comes ``work_proof_shape`` (broken, a_no, b_no): a row for each node or pair of
nodes where something is amiss. Components come from scipy, for the kernel must not judge itself.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lake.engines.duckdb import Session

Ints = npt.NDArray[np.int64]

WRONG_NUMBERS = "nodes with a wrong number"
NO_COMPONENT = "nodes in no or several components"
FOREIGN_LABEL = "components with a foreign label"
MALFORMED = "links that are malformed"
BETWEEN_PERSONS = "accepted links between two persons"
NOT_JOINED = "persons not joined by accepted links"


def lay_out_shape(session: Session) -> None:
    """Make ``work_proof_shape``; what links join is only tried where all else is well."""
    count, a, b, accepted, labels = _read(session)
    found = _numbers(session, count, labels) | {MALFORMED: _malformed(count, a, b)}
    if not any(len(first) for first, _ in found.values()):
        label = np.empty(count, np.int64)
        label[labels[0]] = labels[1]
        found |= _persons(label, a[accepted], b[accepted])
    rows = [
        pa.table({"broken": pa.array([name] * len(one), pa.string()), "a_no": one, "b_no": other})
        for name, (one, other) in found.items()
    ]
    session.register("shape", pa.concat_tables(rows))
    session.execute("CREATE OR REPLACE TEMP TABLE work_proof_shape AS SELECT * FROM shape")
    session.con.unregister("shape")


Pairs = tuple[Ints, Ints]


def _read(session: Session) -> tuple[int, Ints, Ints, npt.NDArray[np.bool_], Pairs]:
    ((count,),) = session.rows("SELECT count(*) FROM work_nodes")
    links = session.table("SELECT a_no, b_no, status = 'accepted' AS accepted FROM work_links")
    labels = session.table("SELECT node_no, first_no FROM work_components")
    return (
        int(str(count)),
        _ints(links["a_no"]),
        _ints(links["b_no"]),
        np.asarray(links["accepted"].to_numpy(), np.bool_),
        (_ints(labels["node_no"]), _ints(labels["first_no"])),
    )


def _numbers(session: Session, count: int, labels: Pairs) -> dict[str, Pairs]:
    nodes = _ints(session.table("SELECT node_no FROM work_nodes")["node_no"])
    node, first = labels
    well = (node >= 0) & (node < count) & (first >= 0) & (first <= node)
    label = np.full(count, -1, np.int64)
    label[node[well]] = first[well]
    foreign = np.concatenate([first[~well], first[well][label[first[well]] != first[well]]])
    return {
        WRONG_NUMBERS: _alone(_not_once(nodes, count)),
        NO_COMPONENT: _alone(_not_once(node, count)),
        FOREIGN_LABEL: _alone(np.unique(foreign)),
    }


def _not_once(numbers: Ints, count: int) -> Ints:
    """Which of 0 … count - 1 do not occur once, and what else occurs."""
    inside = (numbers >= 0) & (numbers < count)
    times = np.bincount(numbers[inside], minlength=count)
    return np.concatenate([np.unique(numbers[~inside]), np.flatnonzero(times != 1)])


def _malformed(count: int, a: Ints, b: Ints) -> Pairs:
    low, high = np.minimum(a, b), np.maximum(a, b)
    bad = (low < 0) | (high >= count) | (low == high)
    pairs, times = np.unique(low[~bad] * count + high[~bad], return_counts=True)
    twice = pairs[times > 1]
    return (
        np.concatenate([low[bad], twice // max(count, 1)]),
        np.concatenate([high[bad], twice % max(count, 1)]),
    )


def _persons(label: Ints, a: Ints, b: Ints) -> dict[str, Pairs]:
    inside = label[a] == label[b]
    torn = np.unique(label[_least(len(label), a[inside], b[inside]) != label])
    return {BETWEEN_PERSONS: (a[~inside], b[~inside]), NOT_JOINED: _alone(torn)}


def _least(count: int, a: Ints, b: Ints) -> Ints:
    """The least node that the links join to each node."""
    if not count:
        return np.empty(0, np.int64)
    graph = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(count, count))
    _, piece = connected_components(graph, directed=False)
    least = np.empty(int(piece.max()) + 1, np.int64)
    # The last write stays, so from the back the least is written last.
    least[piece[::-1]] = np.arange(count - 1, -1, -1)
    return np.asarray(least[piece], np.int64)


def _alone(nodes: Ints) -> Pairs:
    return nodes, nodes


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.to_numpy(), np.int64)
