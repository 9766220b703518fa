"""Pairwise precision, recall and F1 of edges between records, against a truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Quality:
    """How well pairs were found."""

    count_true: int
    count_found: int
    count_right: int

    @property
    def precision(self) -> float:
        """Of the pairs found, how many are true; 1 where none was found."""
        return self.count_right / self.count_found if self.count_found else 1.0

    @property
    def recall(self) -> float:
        """Of the true pairs, how many were found; 1 where there is none."""
        return self.count_right / self.count_true if self.count_true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def measure(edges: pa.Table, truth: dict[tuple[str, str], str]) -> tuple[Quality, Quality]:
    """Quality of the edges as they are, and of the clusters that they join.

    ``truth`` gives for every record (type, value) the person it is of; edges have type_a, value_a,
    type_b, value_b. After clustering every two records of one cluster count as a found pair.
    """
    number = {record: place for place, record in enumerate(truth)}
    _, person = np.unique(np.array(list(truth.values()), dtype=str), return_inverse=True)
    a = _numbers(edges, "a", number)
    b = _numbers(edges, "b", number)
    right = int((person[a] == person[b]).sum())
    joined = coo_array((np.ones(len(a), np.int8), (a, b)), shape=(len(person), len(person)))
    cluster = connected_components(joined, directed=False)[1]
    both = np.unique(np.stack([person, cluster]), axis=1, return_counts=True)[1]
    true = _pairs(np.bincount(person))
    pairs = Quality(true, len(a), right)
    return pairs, Quality(true, _pairs(np.bincount(cluster)), _pairs(both))


def _numbers(edges: pa.Table, side: str, number: dict[tuple[str, str], int]) -> Ints:
    records = zip(
        edges[f"type_{side}"].to_pylist(), edges[f"value_{side}"].to_pylist(), strict=True
    )
    return np.array([number[record] for record in records], np.int64)


def _pairs(sizes: npt.NDArray[np.int64]) -> int:
    return int((sizes * (sizes - 1) // 2).sum())
