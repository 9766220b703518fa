"""The gate before publish: a table's contract as one DuckDB query that counts broken rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lake.engines.duckdb import Session, scan
from schemas.errors import QualityError
from schemas.table import Table


@dataclass(frozen=True, slots=True)
class Check:
    """One promise of a table: ``broken`` is an aggregate that counts the rows that break it."""

    name: str
    broken: str
    says: str


def checks(table: Table) -> list[Check]:
    """The promises of a table: columns that may not be NULL, its key, its invariants."""
    found = [
        Check(
            f"{field.name}_is_not_null",
            f'count(*) FILTER (WHERE "{field.name}" IS NULL)',
            f"{field.name} is never NULL",
        )
        for field in table.schema
        if not field.nullable
    ]
    key = ", ".join(f'"{name}"' for name in table.key)
    unique = (
        f"count(*) - count(DISTINCT ({key}))"
        if len(table.key) > 1
        else (f"count({key}) - count(DISTINCT {key})")
    )
    found.append(Check("key_is_unique", unique, f"no two rows have the same ({key})"))
    found += [
        Check(rule.name, f"count(*) FILTER (WHERE ({rule.sql}) IS NOT TRUE)", rule.says)
        for rule in table.invariants
    ]
    return found


def query(table: Table, relation: str) -> str:
    """One query that counts, for each promise, the rows of ``relation`` that break it."""
    counts = ", ".join(f'{check.broken} AS "{check.name}"' for check in checks(table))
    return f"SELECT {counts} FROM {relation}"


def hold(session: Session, table: Table, paths: Sequence[str], where: str) -> None:
    """Raise QualityError (exit 3) with every promise that rows in ``paths`` break."""
    if not paths:
        return
    (row,) = session.rows(query(table, f"({scan(table.schema, paths)})"))
    broken = [
        f"{check.name}: {count} rows ({check.says})"
        for check, count in zip(checks(table), row, strict=True)
        if count
    ]
    if broken:
        raise QualityError(
            f"{table.name} breaks its contract; nothing was published",
            expected=f"grain: {table.grain}",
            got="; ".join(broken),
            where=where,
            todo="look at the inputs of this run (`guiyi quarantine list`), mend, run again",
        )
