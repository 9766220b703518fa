"""Scores of all persons, in batches: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa

from domain.consent import ANY_CHANNEL, consent_sql
from lake.engines.duckdb import Session, quoted
from models import drift
from models.fitted import Fitted, Predictions, Reasons, explain, predict
from models.samples import Matrix
from schemas.model_definitions import Purpose
from schemas.tags import MODEL_SCORES

BATCH = 50_000
FRESH = "fresh_scores"
LEFT_OUT = ("business_date",)
SCHEMA = pa.schema([f for f in MODEL_SCORES.schema if f.name not in LEFT_OUT])


@dataclass(frozen=True, slots=True)
class Scorer:
    """A model that passed its gate, and where its features stand in the scoring table.

    ``columns`` are by feature, in the order of ``fitted.names``.
    """

    model: str
    version: str
    fitted: Fitted
    columns: dict[str, str]
    population: str
    reference: dict[str, drift.Reference]
    purpose: Purpose | None = None
    """What a person must have allowed to be scored."""
    cut: datetime | None = None
    """Up to when statements of consent count; all when None."""


@dataclass(slots=True)
class Watched:
    """How features and scores of the persons scored so far are spread."""

    reference: dict[str, drift.Reference]
    counts: dict[str, Matrix] = field(default_factory=dict)

    def add(self, name: str, values: Matrix) -> None:
        """Count one batch."""
        found = drift.counted(self.reference[name].edges, values)
        self.counts[name] = self.counts.get(name, np.zeros(len(found))) + found

    def indices(self) -> dict[str, float]:
        """The stability index of each, by name."""
        return {n: drift.psi(self.reference[n], counts) for n, counts in self.counts.items()}


def batches(session: Session, scorer: Scorer, table: str, size: int) -> Iterator[pa.Table]:
    """Persons to score, ``size`` rows of ``table`` at a time, by ``one_id``."""
    ((last,),) = session.rows(f"SELECT coalesce(max(row_no), 0) FROM {table}")
    names = ", ".join(f'"{column}"' for column in scorer.columns.values())
    wanted = chosen(scorer.population, scorer.purpose, scorer.cut)
    for start in range(0, int(str(last)), size):
        found = session.table(
            f"SELECT one_id, {names} FROM {table} WHERE row_no > {start} "
            f"AND row_no <= {start + size} AND {wanted} ORDER BY row_no"
        )
        if found.num_rows:
            yield found


def chosen(population: str, purpose: Purpose | None, cut: datetime | None = None) -> str:
    """The condition on a row of the scoring table under which its person is scored."""
    at = f"TIMESTAMPTZ '{cut.isoformat()}'" if cut else None
    allowed = f" AND one_id IN ({consent_sql(purpose, ANY_CHANNEL, at)})" if purpose else ""
    return f'"{population}" > 0{allowed}'


def add_scores(
    session: Session, scorer: Scorer, table: str, size: int = BATCH
) -> dict[str, float]:
    """Add the scores of all rows of ``table`` to ``FRESH``; returns the drift by name."""
    watched = Watched(scorer.reference)
    for batch in batches(session, scorer, table, size):
        x = np.column_stack(
            [batch[c].to_numpy(zero_copy_only=False) for c in scorer.columns.values()]
        ).astype(np.float64)
        said = predict(scorer.fitted, x)
        for place, name in enumerate(scorer.columns):
            watched.add(name, x[:, place])
        watched.add("score", score_of(said))
        session.register("score_batch", rows(scorer, batch["one_id"], x, said))
        session.execute(f"INSERT INTO {FRESH} SELECT * FROM score_batch")
        session.execute("DROP VIEW score_batch")
    return watched.indices()


def score_of(said: Predictions) -> Matrix:
    """The number whose spread is watched: the amount where there is one, else the chance."""
    return said.amount if said.amount is not None else said.probability


def rows(scorer: Scorer, one_ids: pa.ChunkedArray, x: Matrix, said: Predictions) -> pa.Table:
    """Scores as rows of ``model_scores`` without their date."""
    count = len(x)
    plain = {
        "model": pa.array([scorer.model]).take(pa.array(np.zeros(count, dtype=np.int64))),
        "version": pa.array([scorer.version]).take(pa.array(np.zeros(count, dtype=np.int64))),
        "one_id": one_ids,
        "probability": pa.array(said.probability, pa.float64()),
        "label": pa.array(said.label, pa.string()) if said.label else pa.nulls(count, pa.string()),
        "purchases": _numbers(said.purchases, count),
        "amount": _numbers(said.amount, count),
        "reasons": _reasons(list(scorer.columns), x, explain(scorer.fitted, x, said)),
    }
    return pa.table([plain[f.name] for f in SCHEMA], schema=SCHEMA)


def create(session: Session) -> None:
    """Make an empty table ``FRESH``."""
    session.register("no_scores", SCHEMA.empty_table())
    session.execute(f"CREATE OR REPLACE TEMP TABLE {FRESH} AS SELECT * FROM no_scores")
    session.execute("DROP VIEW no_scores")


def published(day: str) -> str:
    """The query of ``FRESH`` as rows of ``model_scores`` of ``day``."""
    return (
        f"SELECT CAST({quoted(day)} AS DATE) AS business_date, * FROM {FRESH} "
        "ORDER BY model, one_id"
    )


def _numbers(values: Matrix | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.float64()) if values is None else pa.array(values, pa.float64())


def _reasons(names: list[str], x: Matrix, why: Reasons) -> pa.Array:
    count, width = why.places.shape
    values = np.take_along_axis(x, why.places, axis=1).ravel()
    flat = pa.StructArray.from_arrays(
        [
            pa.array(names, pa.string()).take(pa.array(why.places.ravel())),
            pa.array(values, pa.float64(), mask=np.isnan(values)),
            pa.array(why.contributions.ravel(), pa.float64()),
        ],
        fields=list(SCHEMA.field("reasons").type.value_type),
    )
    offsets = pa.array(np.arange(0, (count + 1) * width, width, dtype=np.int32))
    return pa.ListArray.from_arrays(offsets, flat, type=SCHEMA.field("reasons").type)
