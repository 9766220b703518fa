"""Where each node of a drawn graph stands: the same graph gives the same places."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt

WIDTH, MARGIN = 960, 84
"""CSS pixels; the margin holds half a label."""

ROOM = 150
"""Pixels that a node wants to each side of it, on average."""


def places(graph: nx.Graph[Any], first: object = None) -> dict[Any, tuple[float, float]]:
    """Node → (x, y) in CSS pixels from the upper left corner, and so that labels find room.

    Paths follow the distances of Kamada and Kawai (1989); the longest extent lies across, and
    ``first`` stands on its left side.
    """
    nodes = sorted(graph)
    if len(nodes) < 2:
        return dict.fromkeys(nodes, (WIDTH / 2, 70.0))
    found = nx.kamada_kawai_layout(_joined(graph, nodes))
    spots = np.array([found[node] for node in nodes])
    spots = _across(spots)
    if first in graph and spots[nodes.index(first), 0] > 0:
        spots[:, 0] *= -1
    return dict(zip(nodes, _fitted(spots), strict=True))


def _joined(graph: nx.Graph[Any], nodes: list[Any]) -> nx.Graph[Any]:
    """The bare graph in one piece, so that no part flies off."""
    bare: nx.Graph[Any] = nx.Graph()
    bare.add_nodes_from(nodes)
    bare.add_edges_from(sorted(tuple(sorted(edge)) for edge in graph.edges))
    parts = sorted(min(part) for part in nx.connected_components(bare))
    bare.add_edges_from(pairwise(parts))
    return bare


def _across(spots: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Turned about the middle until the longest extent lies across."""
    centred = spots - spots.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    turned = centred @ axes.T
    # An axis has no direction of its own: the farthest node decides it.
    for side in range(turned.shape[1]):
        if turned[np.abs(turned[:, side]).argmax(), side] < 0:
            turned[:, side] *= -1
    return np.asarray(turned)


def _fitted(spots: npt.NDArray[np.float64]) -> Iterable[tuple[float, float]]:
    low, high = spots.min(axis=0), spots.max(axis=0)
    extent = np.maximum(high - low, 1e-9)
    across = max(WIDTH, ROOM * np.sqrt(len(spots)) * 1.6) - 2 * MARGIN
    down = float(np.clip(across * extent[1] / extent[0], 0, across))
    down = max(down, 26.0 * len(spots)) if extent[1] > 1e-6 else 0.0
    scaled = (spots - low) / extent * (across, min(down, 1_400.0))
    return [(round(float(x) + MARGIN, 1), round(float(y) + 60, 1)) for x, y in scaled]
