"""Finds features that know what comes after their snapshot, and outcomes that look before it."""

from __future__ import annotations

from datetime import date

import numpy as np

from models.moments import Moments
from models.quality import auc, separation
from models.samples import Matrix, Places, Sample
from schemas.model_definitions import Model

PERSONS = 2000
"""A column that knows the future knows it of everybody, so that a few show it."""


def shifted(moments: Moments, day: date) -> list[str]:
    """Columns at ``day`` that change when rows after it are taken away: each one leaks.

    Time is shifted once for all models of the release.
    """
    told, known = moments.at(day), moments.known_at(day, PERSONS)
    rows = {one_id: row for row, one_id in enumerate(known.one_ids)}
    drawn = np.flatnonzero(told.columns["draw"] <= known.columns["draw"].max(initial=0.0))
    places = np.array([rows.get(told.one_ids[row], -1) for row in drawn], dtype=int)
    return [
        name for name, values in told.columns.items()
        if name != "draw" and not _is_same(values[drawn], known.columns[name], places)
    ]


def leaking(moments: Moments, definition: Model, columns: list[str]) -> list[str]:
    """Names of a model's features, and its population, among the leaking ``columns``."""
    leaks = [name for name, held in moments.columns_of(definition).items() if held in columns]
    if moments.column(definition.population) in columns:
        leaks.append(f"{definition.population.name} (who is scored)")
    return leaks


def too_good(data: Sample, limit: float) -> list[str]:
    """Features that alone separate the outcome with an AUC above ``limit``, either way round.

    An outcome of several classes, or of amounts, is not asked: no one number separates it.
    """
    if data.y.ndim > 1 or not set(np.unique(data.y)) <= {0.0, 1.0}:
        return []
    found = []
    for name in data.names:
        if auc(data.y, separation(data.y, data.column(name))) > limit:
            found.append(name)
    return found


def _is_same(here: Matrix, then: Matrix, places: Places) -> bool:
    """A person who is not known without the future (-1) must count nothing with it, either."""
    is_known = places >= 0
    past = then[places[is_known]]
    same = (here[is_known] == past) | (np.isnan(here[is_known]) & np.isnan(past))
    unknown = here[~is_known]
    return bool(same.all() and (np.isnan(unknown) | (unknown == 0)).all())
