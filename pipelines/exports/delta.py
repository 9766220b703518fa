"""Delta exports: what was added and removed since the version that the receiver has.

What the receiver has is read back from the files that it was given: the last full version and every
delta after it. A row that changed is one removed and one added; a removed row is as it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lake.engines.duckdb import Session, quoted

CHANGE = "change"


@dataclass(frozen=True, slots=True)
class Given:
    """One version that the receiver has: its files, by format, and whether it is a delta."""

    paths: tuple[str, ...]
    format: str
    is_delta: bool
    has_header: bool = True


def delta_query(session: Session, rows: str, types: dict[str, str], chain: Sequence[Given]) -> str:
    """SQL giving ``change`` (added or removed) and the columns of ``rows``, removed ones first.

    ``chain`` is what the receiver has, the full version first. The rows come in an order that
    depends on nothing else than on them.
    """
    names = ", ".join(f'"{name}"' for name in types)
    session.execute(f"CREATE OR REPLACE TEMP TABLE export_now AS {rows}")
    session.execute(
        f"CREATE OR REPLACE TEMP TABLE export_had AS {_had(chain, types)}"
    )
    return f"""SELECT * FROM (
      SELECT 'removed' AS {CHANGE}, {names} FROM
        (SELECT {names} FROM export_had EXCEPT ALL SELECT {names} FROM export_now)
      UNION ALL
      SELECT 'added' AS {CHANGE}, {names} FROM
        (SELECT {names} FROM export_now EXCEPT ALL SELECT {names} FROM export_had)
    ) ORDER BY {CHANGE} DESC, {names}"""


def _had(chain: Sequence[Given], types: dict[str, str]) -> str:
    """What the receiver has after all versions of ``chain``."""
    names = ", ".join(f'"{name}"' for name in types)
    parts = []
    for one in chain:
        files = "[" + ", ".join(quoted(path) for path in one.paths) + "]"
        change = f"{CHANGE}" if one.is_delta else f"'added' AS {CHANGE}"
        parts.append(f"SELECT {change}, {names} FROM {_read(one, files, types)}")
    union = " UNION ALL ".join(parts)
    return f"""SELECT {names} FROM (
      SELECT {names}, sum(CASE {CHANGE} WHEN 'added' THEN 1 ELSE -1 END) AS copies
      FROM ({union}) GROUP BY {names} HAVING copies > 0
    ), range(CAST(copies AS BIGINT))"""


def _read(one: Given, files: str, types: dict[str, str]) -> str:
    if one.format == "parquet":
        return f"read_parquet({files}, hive_partitioning = false)"
    columns = ({CHANGE: "VARCHAR"} if one.is_delta else {}) | types
    listed = ", ".join(f"{quoted(name)}: {quoted(kind)}" for name, kind in columns.items())
    header = "true" if one.has_header else "false"
    return (
        f"read_csv({files}, columns = {{{listed}}}, header = {header}, delim = ',', "
        "quote = '\"', escape = '\"', nullstr = '', auto_detect = false, strict_mode = true)"
    )


def texts(rows: str, types: dict[str, str]) -> tuple[str, dict[str, str]]:
    """``rows`` and their types as a file of CSV gives them back: texts, and nothing is NULL."""
    names = ", ".join(f"nullif(CAST(\"{name}\" AS VARCHAR), '') AS \"{name}\"" for name in types)
    return f"SELECT {names} FROM ({rows})", dict.fromkeys(types, "VARCHAR")
