"""Connected components over integer codes: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Codes = npt.NDArray[np.int64]


def first_of_each(count: int, a: Codes, b: Codes) -> Codes:
    """For each of the nodes 0 … ``count`` - 1, the least node that edges (a[i], b[i]) join it to.

    Time and memory are O(nodes + edges), by scipy.sparse.csgraph; an empty graph gives nothing.
    """
    if count == 0:
        return np.empty(0, np.int64)
    ones = np.ones(len(a), np.int8)
    graph = coo_array((ones, (a, b)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    _, first = np.unique(labels, return_index=True)
    return np.asarray(first[labels], np.int64)
