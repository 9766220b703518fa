"""How a table is declared: columns, grain, key, arithmetic invariants, partition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa

Mode = Literal["append", "partition", "snapshot"]
"""How a run changes a table: adds rows, replaces whole partitions, or replaces everything."""

TIMESTAMP = pa.timestamp("us", tz="UTC")
MONEY = pa.decimal128(18, 6)


@dataclass(frozen=True, slots=True)
class Invariant:
    """A fact that every row keeps: the condition ``sql`` is true (NULL counts as broken)."""

    name: str
    sql: str
    says: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table of the lake.

    ``grain`` says what one row is, ``key`` which columns tell two rows apart. Columns declared
    not nullable may hold no NULL. A partitioned table has the derived partition column ``d``
    (text, ISO date) taken from the physical column ``partition``.
    """

    name: str
    schema: pa.Schema
    grain: str
    key: tuple[str, ...]
    mode: Mode
    partition: str | None = None
    invariants: tuple[Invariant, ...] = ()
    says: str = ""
    references: dict[str, str] = field(default_factory=dict)
    rows_per_group: int | None = None
    """Rows of a file that a reader may skip at once, where readers look for few of them."""

    @property
    def columns(self) -> list[str]:
        """Names of the physical columns, in order."""
        return list(self.schema.names)


def column(name: str, kind: pa.DataType, says: str, *, nullable: bool = False) -> pa.Field:
    """A column with its meaning; ``says`` travels in the Arrow metadata and the Delta schema."""
    return pa.field(name, kind, nullable=nullable, metadata={"comment": says})


def is_allowed(kind: pa.DataType) -> bool:
    """Whether every engine reads and writes ``kind`` alike (architecture: allowed column types)."""
    types = pa.types
    if types.is_list(kind):
        return is_allowed(kind.value_type)
    if types.is_struct(kind):
        return all(is_allowed(kind.field(i).type) for i in range(kind.num_fields))
    if types.is_map(kind):
        return is_allowed(kind.key_type) and is_allowed(kind.item_type)
    simple = (pa.bool_(), pa.int32(), pa.int64(), pa.float64(), pa.string(), pa.date32(), TIMESTAMP)
    return kind in simple or types.is_decimal128(kind)
