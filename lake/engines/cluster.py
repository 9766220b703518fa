"""What a cluster does for a draft: it takes Parquet files and gives Parquet files.

A step that outgrows one process is handed over as a query with the files of the tables it reads;
the workers write, the driver learns which files, and the draft takes them as its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from sqlglot import exp

Written = list[tuple[str, int]]
"""Path and rows of each file."""


@dataclass(frozen=True, slots=True)
class Relation:
    """Parquet files with the columns that they are read with; one that a file lacks is NULL."""

    schema: pa.Schema
    paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the rows of a query go: files below ``folder`` with exactly the columns of ``schema``.

    With ``parted_by`` the rows of each of its values go to ``folder/d=<value>``. Rows of a file
    are in the order of ``order``.
    """

    folder: Path
    schema: pa.Schema
    parted_by: str | None = None
    order: Sequence[str] = ()
    rows_per_group: int | None = None


class Cluster(Protocol):
    """An engine of many processes that all see the lake's folder."""

    def write(self, query: exp.Expr, reads: Mapping[str, Relation], target: Target) -> Written:
        """Run ``query`` over the relations that it names, and write what it gives."""
        ...

    def components(self, edges: Relation, folder: Path) -> Relation:
        """``code`` and ``first_code``, the least node that edges (a, b) join it to, of each node
        that has an edge; files below ``folder``."""
        ...
