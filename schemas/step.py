"""How a step is declared: what it reads, what it writes, and of which kind it is.

A ``rows`` step maps one Arrow batch to another, an ``sql`` step is a sqlglot tree, a ``graph``
step maps whole Arrow tables. Steps never see paths, clocks or engines; ``lake.engines`` runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
from sqlglot import exp

Kind = Literal["rows", "sql", "graph"]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back a step reads a table: ``days`` business dates, or all of it when None."""

    days: int | None


def same_day() -> Reach:
    """Only the business dates that the run changes."""
    return Reach(1)


def everything() -> Reach:
    """The table whole."""
    return Reach(None)


@dataclass(frozen=True, slots=True)
class Step:
    """A pure transformation of tables, runnable on every engine that knows its kind."""

    name: str
    kind: Kind
    writes: tuple[str, ...]
    reads: Mapping[str, Reach] = field(default_factory=dict)
    sql: exp.Expr | None = None
    rows: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None
    graph: Callable[[Mapping[str, pa.Table]], Mapping[str, pa.Table]] | None = None
    schema: pa.Schema | None = None
    says: str = ""
