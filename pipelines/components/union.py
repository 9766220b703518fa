"""Connected components over integer codes: arrays in, arrays out."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.integer[Any]]
_NARROW = 2**31


class Components:
    """A graph of nodes 0 … n - 1 whose edges come in chunks; 4 bytes per node, 8 from 2³¹ nodes.

    Edges are not kept. The order in which they come changes nothing.
    """

    def __init__(self, count: int = 0) -> None:
        self._parent: Codes = np.empty(0, np.int32)
        self._count = 0
        self.grow(count)

    def __len__(self) -> int:
        return self._count

    def grow(self, count: int) -> None:
        """Have at least ``count`` nodes; new ones stand alone."""
        if count > len(self._parent):
            kind = np.int32 if count <= _NARROW else np.int64
            size = max(count, min(2 * len(self._parent), _NARROW))
            larger: Codes = np.arange(size, dtype=kind)
            larger[: self._count] = self._parent[: self._count]
            self._parent = larger
        self._count = max(count, self._count)

    def unite(self, a: Codes, b: Codes) -> None:
        """Join a[i] and b[i] for all i; ValueError at a code that is no node, or unequal lengths.

        The edges before such a code are taken. Time is nearly that of reading the edges, whatever
        the shape of the graph.
        """
        from pipelines.components.kernels import unite

        if len(a) != len(b):
            raise ValueError(f"edges need two ends each, got {len(a)} and {len(b)}")
        taken = unite(self._parent[: self._count], a, b)
        if taken < len(a):
            raise ValueError(
                f"edge {taken} joins {a[taken]} and {b[taken]}, "
                f"expected nodes 0 to {self._count - 1}"
            )

    def first(self) -> Codes:
        """For each node the least node of its component; a view that the next call may change."""
        from pipelines.components.kernels import flatten

        nodes = self._parent[: self._count]
        flatten(nodes)
        return nodes


def first_of_each(count: int, a: Codes, b: Codes) -> npt.NDArray[np.int64]:
    """For each of the nodes 0 … ``count`` - 1, the least node that edges (a[i], b[i]) join it to.

    Time and memory are O(nodes + edges); an empty graph gives nothing. ValueError at a code that
    is no node.
    """
    graph = Components(count)
    graph.unite(a, b)
    return graph.first().astype(np.int64)
