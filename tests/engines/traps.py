"""Values that engines read, add or write differently unless they are told how."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
from sqlglot import parse_one

from schemas.step import Step, everything
from schemas.table import TIMESTAMP

BIG = 2**63 - 1
SCHEMA = pa.schema([
    ("key", pa.int64()), ("is_true", pa.bool_()), ("small", pa.int32()), ("big", pa.int64()),
    ("real", pa.float64()), ("money", pa.decimal128(18, 6)), ("huge", pa.decimal128(38, 6)),
    ("text", pa.string()), ("day", pa.date32()), ("at", TIMESTAMP),
    ("texts", pa.list_(pa.string())), ("said", pa.map_(pa.string(), pa.string())),
    ("moment", pa.struct([("at", TIMESTAMP), ("value", pa.string())])),
])
FIRST = datetime(1, 1, 1, tzinfo=UTC)
ROWS = [
    (1, True, -(2**31), BIG, -0.0, Decimal("0.000001"), Decimal("9" * 32 + ".999999"), "",
     date(1, 1, 1), datetime(1970, 1, 1, 0, 0, 0, 1, tzinfo=UTC), [], [],
     {"at": datetime(2017, 10, 29, 0, 30, tzinfo=UTC), "value": None}),
    (2, False, 2**31 - 1, -BIG, 5e-324, Decimal("-999999999999.999999"), Decimal(0), "归一 🙂\n\0",
     date(9999, 12, 31), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
     ["b", None, ""], [("k", ""), ("a", None)], {"at": None, "value": ""}),
    (3, None, None, None, None, None, None, None, None, None, None, None, None),
    (4, True, 0, 0, 0.1 + 0.2, Decimal("0.3"), Decimal("-0.5"), "NULL", date(2016, 2, 29),
     datetime(2017, 3, 26, 1, 0, tzinfo=UTC), ["it's"], [("it's", '"')],
     {"at": FIRST, "value": "x"}),
]


def table() -> pa.Table:
    """One row of each kind of trap, and one of nothing."""
    columns = list(zip(*ROWS, strict=True))
    arrays = [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)]
    return pa.table(arrays, schema=SCHEMA)


def passed_on() -> Step:
    """Every row as it is."""
    return Step(
        "passed_on", "rows", ("passed",), {"traps": everything()}, rows=lambda batch: batch,
        schema=SCHEMA,
    )


def added() -> Step:
    """Sums, extremes and comparisons, each cast as partials cast theirs."""
    query = """
        SELECT CAST(SUM(CAST(small AS BIGINT)) AS BIGINT) AS small,
            CAST(SUM(CASE WHEN big < 0 THEN 0 ELSE big END) AS BIGINT) AS big,
            CAST(SUM(money) AS DECIMAL(38, 6)) AS money, CAST(SUM(huge) AS DECIMAL(38, 6)) AS huge,
            MIN(at) AS first_at, MAX(at) AS last_at, MIN(day) AS first_on, MAX(day) AS last_on,
            MIN(text) AS least, MAX(text) AS most, CAST(COUNT(text) AS BIGINT) AS texts,
            CAST(COUNT(*) AS BIGINT) AS rows, MAX(real) AS real,
            CAST(SUM(CASE WHEN text = '' THEN 1 ELSE 0 END) AS BIGINT) AS empty,
            CAST(SUM(CASE WHEN real = 0 THEN 1 ELSE 0 END) AS BIGINT) AS zeros,
            CAST(SUM(CASE WHEN moment.value IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS unsaid,
            CAST(SUM(money) AS DOUBLE) AS as_double,
            MIN(CASE WHEN key > 9 THEN big END) AS of_nothing
        FROM traps
    """
    return Step(
        "added", "sql", ("added",), {"traps": everything()},
        sql=parse_one(query, dialect="duckdb"),
    )
