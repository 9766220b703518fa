"""Rows to learn from: one person at one date, what was known then and what came after."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Persons in order of ``one_id``, a row each, as of the end of ``day``.

    ``x`` is NaN where a feature is unknown. ``y`` is the outcome: 1 or 0; the number of a class;
    or two columns, purchases and what was paid.
    """

    day: date
    one_ids: list[str]
    names: list[str]
    x: Matrix
    y: Matrix

    def column(self, name: str) -> Matrix:
        """One feature, before any transformation."""
        found: Matrix = self.x[:, self.names.index(name)]
        return found

    def only(self, chosen: Flags) -> Sample:
        """The rows that ``chosen`` marks."""
        kept = [one_id for one_id, is_kept in zip(self.one_ids, chosen, strict=True) if is_kept]
        return replace(self, one_ids=kept, x=self.x[chosen], y=self.y[chosen])


def joined(parts: list[Sample]) -> Sample:
    """Several samples as one, which bears the day of the first."""
    first = parts[0]
    return Sample(
        first.day, [one_id for part in parts for one_id in part.one_ids], first.names,
        np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts]),
    )


def empty(day: date, names: list[str]) -> Sample:
    """A sample of nobody."""
    return Sample(day, [], names, np.empty((0, len(names))), np.empty(0))


@dataclass(frozen=True, slots=True)
class Split:
    """Samples by time: each one's outcomes end on the next one's day or before."""

    train: Sample
    calibration: Sample
    test: Sample

    def parts(self) -> dict[str, Sample]:
        """The three samples, each with its name."""
        return {"training": self.train, "calibration": self.calibration, "test": self.test}
