"""Normalises identifiers that SQL alone cannot: a ``rows`` step, the same on every engine."""

from __future__ import annotations

import pyarrow as pa

from domain.identifiers import normalise
from schemas.step import Step, everything

NORMALISED = pa.schema([("type", pa.string()), ("value", pa.string()), ("normal", pa.string())])


def normalise_step(region: str) -> Step:
    """Rows (type, value) become (type, value, normal); ``normal`` is NULL where none is found.

    ``region`` is the ISO 3166 country of phones written without a country code.
    """

    def rows(batch: pa.RecordBatch) -> pa.RecordBatch:
        kinds, values = (batch.column(name).to_pylist() for name in ("type", "value"))
        normal = [normalise(k, v, region) for k, v in zip(kinds, values, strict=True)]
        return pa.RecordBatch.from_pydict(
            {"type": kinds, "value": values, "normal": normal}, schema=NORMALISED
        )

    return Step(
        name="normalise",
        kind="rows",
        reads={"identifiers": everything()},
        writes=("normalised",),
        rows=rows,
        schema=NORMALISED,
        says="identifiers in the form in which they are compared",
    )
