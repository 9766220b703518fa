"""Finds features that know what comes after their snapshot."""

from __future__ import annotations

import numpy as np

from lake.engines.duckdb import Session
from models.dataset import Column, Dataset, features, matrix
from models.quality import auc
from schemas.model_definitions import Model


def shifted(
    session: Session,
    relation: str,
    definition: Model,
    data: Dataset,
    columns: dict[str, Column] | None = None,
) -> list[str]:
    """Features of ``data`` that change when rows after its day are taken away: each one leaks."""
    past = f"{relation}_until"
    session.execute(
        f"CREATE OR REPLACE TEMP VIEW {past} AS SELECT * FROM {relation} "
        f"WHERE business_date <= CAST('{data.day.isoformat()}' AS DATE)"
    )
    known = features(session, past, definition, data.day, columns)
    session.execute(f"DROP VIEW {past}")
    if known["one_id"].to_pylist() != data.one_ids:
        return [f"{definition.event.name} (who is scored)"]
    then = matrix(known)
    same = (data.x == then) | (np.isnan(data.x) & np.isnan(then))
    return [name for name, kept in zip(data.names, same.all(axis=0), strict=True) if not kept]


def too_good(data: Dataset, limit: float) -> list[str]:
    """Features that alone separate the outcome with an AUC above ``limit``, either way round."""
    found = []
    for name in data.names:
        values = np.nan_to_num(data.column(name), nan=-1.0)
        value = auc(data.y, values)
        if max(value, 1 - value) > limit:
            found.append(name)
    return found
