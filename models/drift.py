"""How far the persons of a day have moved from those a model was trained on.

The population stability index over ten bins of the training's deciles: sum of (now - then) ×
ln(now / then). By custom below 0.1 nothing moved, from 0.25 on it drifted.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np

from models.samples import Matrix

MOVED, DRIFTED = 0.1, 0.25
FLOOR = 1e-4
"""Share that stands for an empty bin; without it one person in a new bin would be infinite."""
BINS = 10

Status = Literal["steady", "moved", "drifted"]


class Reference(msgspec.Struct, frozen=True):
    """How a number was spread in training: edges of bins, and shares; the last is unknown."""

    edges: list[float]
    shares: list[float]


def reference(values: Matrix) -> Reference:
    """The spread of ``values`` over bins that hold a tenth each, where ties allow it."""
    known = values[~np.isnan(values)]
    inner = np.quantile(known, np.arange(1, BINS) / BINS) if len(known) else np.empty(0)
    edges = [round(float(edge), 6) for edge in np.unique(inner)]
    counts = counted(edges, values)
    return Reference(edges, [round(float(n), 6) for n in counts / max(1, counts.sum())])


def counted(edges: list[float], values: Matrix) -> Matrix:
    """How many values fall into each bin, those above an edge into the next; unknown ones last."""
    is_known = ~np.isnan(values)
    places = np.searchsorted(np.array(edges), values[is_known], side="left")
    counts = np.bincount(places, minlength=len(edges) + 1).astype(np.float64)
    return np.append(counts, float((~is_known).sum()))


def psi(then: Reference, counts: Matrix) -> float:
    """The index of ``counts``, as ``counted`` gives them, against ``then``."""
    now = np.maximum(counts / max(1.0, float(counts.sum())), FLOOR)
    before = np.maximum(np.array(then.shares), FLOOR)
    return round(float(np.sum((now - before) * np.log(now / before))), 6)


def status(index: float) -> Status:
    """What an index means, by custom."""
    return "drifted" if index >= DRIFTED else "moved" if index >= MOVED else "steady"
