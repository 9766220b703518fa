"""Datasets as of a date: what was known then, and what came to pass after."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from sqlglot import exp

from lake.engines.duckdb import Session
from pipelines.tags.measures import measure_of, merged
from schemas.model_definitions import Model

Column = exp.Expr
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Persons in order of ``one_id``, a row each; ``y`` is 1 where the outcome came, else 0."""

    day: date
    one_ids: list[str]
    names: list[str]
    x: Matrix
    y: Matrix

    def column(self, name: str) -> Matrix:
        """One feature, before any transformation."""
        found: Matrix = self.x[:, self.names.index(name)]
        return found


def feature_columns(definition: Model, day: date) -> dict[str, Column]:
    """Each feature as an aggregate over a person's partials up to ``day``."""
    return {feature.name: merged(feature, day) for feature in definition.features}


def features(
    session: Session,
    relation: str,
    definition: Model,
    day: date,
    columns: dict[str, Column] | None = None,
) -> pa.Table:
    """``one_id`` and the features of all who had the event in its window, by ``one_id``.

    ``relation`` holds partials by person; what a feature does not know is NULL. ``columns``
    stand in place of the declared features.
    """
    chosen = feature_columns(definition, day) if columns is None else columns
    # All columns in one call: a builder copies its whole tree at each.
    inner = exp.select(
        "one_id",
        exp.alias_(merged(definition.event, day), "is_scored"),
        *[exp.alias_(exp.cast(tree, "double"), name, quoted=True) for name, tree in chosen.items()],
    )
    inner = inner.from_(relation).group_by("one_id")
    query = (
        exp.select("one_id", *[exp.column(name, quoted=True) for name in chosen])
        .from_(inner.subquery("known"))
        .where("is_scored")
        .order_by("one_id")
    )
    return session.table(query.sql(dialect="duckdb"))


def outcome(session: Session, relation: str, definition: Model, day: date) -> set[str]:
    """Who had the event again in the horizon after ``day``."""
    last = day + timedelta(days=definition.horizon_days)
    again = exp.select("one_id").distinct().from_(relation).where(
        exp.column("measure").eq(exp.Literal.string(measure_of(definition.event).name)),
        f"business_date > CAST('{day}' AS DATE) AND business_date <= CAST('{last}' AS DATE)",
    )
    return {str(row[0]) for row in session.rows(again.sql(dialect="duckdb"))}


def dataset(
    session: Session,
    relation: str,
    definition: Model,
    day: date,
    columns: dict[str, Column] | None = None,
) -> Dataset:
    """Features as of ``day`` with the outcome after it: 1 for those without the event again."""
    table = features(session, relation, definition, day, columns)
    again = outcome(session, relation, definition, day)
    ids: list[str] = table["one_id"].to_pylist()
    y = np.array([0.0 if one_id in again else 1.0 for one_id in ids])
    return Dataset(day, ids, table.column_names[1:], matrix(table), y)


def matrix(table: pa.Table) -> Matrix:
    """The features of a table as rows of floats; unknown is NaN."""
    columns = [
        table[name].to_numpy(zero_copy_only=False).astype(np.float64)
        for name in table.column_names[1:]
    ]
    return np.column_stack(columns) if columns else np.empty((table.num_rows, 0))
