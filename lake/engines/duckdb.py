"""DuckDB in process: a session with bounded memory that spills, and tables as views over files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from sqlglot import exp

from schemas.errors import StorageError, UsageError
from schemas.step import Step

MEMORY = "1200MB"
THREADS = 2
MANY_COLUMNS, SHORT_DICTIONARY = 200, 4_000
"""A Parquet column gets room for a dictionary before its first value: at 1,000 nearly empty
columns that room was three quarters of the writer's CPU and half of its memory, so that beyond
``MANY_COLUMNS`` a dictionary holds fewer values (``python -m benchmarks.tag_layout``)."""


def sql_type(kind: pa.DataType) -> str:
    """The DuckDB name of an allowed column type."""
    types = pa.types
    if types.is_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if types.is_struct(kind):
        inner = ", ".join(
            f'"{kind.field(i).name}" {sql_type(kind.field(i).type)}' for i in range(kind.num_fields)
        )
        return f"STRUCT({inner})"
    if types.is_map(kind):
        return f"MAP({sql_type(kind.key_type)}, {sql_type(kind.item_type)})"
    if types.is_decimal(kind):
        return f"DECIMAL({kind.precision},{kind.scale})"
    if types.is_timestamp(kind):
        return "TIMESTAMPTZ"
    names = {
        pa.bool_(): "BOOLEAN",
        pa.int32(): "INTEGER",
        pa.int64(): "BIGINT",
        pa.float64(): "DOUBLE",
        pa.string(): "VARCHAR",
        pa.date32(): "DATE",
    }
    return names[kind]


def casts(schema: pa.Schema) -> str:
    """The columns of ``schema`` as a SELECT list that casts each to its declared type."""
    return ", ".join(f'CAST("{f.name}" AS {sql_type(f.type)}) AS "{f.name}"' for f in schema)


def quoted(text: str) -> str:
    """``text`` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


class Session:
    """One DuckDB connection in UTC; use as a context manager. Not shared between threads."""

    def __init__(self, spill: Path, memory: str = MEMORY, threads: int = THREADS) -> None:
        spill.mkdir(parents=True, exist_ok=True)
        self.con = duckdb.connect(
            ":memory:",
            config={
                "memory_limit": os.environ.get("GUIYI_DUCKDB_MEMORY", memory),
                "threads": threads,
                "temp_directory": str(spill),
                "preserve_insertion_order": False,
                "partitioned_write_max_open_files": 1000,
            },
        )
        self.con.execute("SET TimeZone = 'UTC'")
        # In Jupyter without ipywidgets DuckDB has no bar to show and refuses the setting.
        with suppress(duckdb.InvalidInputException):
            self.con.execute("SET enable_progress_bar = false")

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.con.close()

    def view(
        self, name: str, schema: pa.Schema, paths: Sequence[str], *, is_varied: bool = False,
        kept: str | None = None,
    ) -> None:
        """Show the Parquet files ``paths`` under ``name``; a column that one lacks reads as NULL.

        Columns are only ever added, so the oldest file tells, save where ``is_varied``. ``kept`` is
        a condition on the rows ``t`` that are shown.
        """
        probes = paths if is_varied or not paths else [min(paths, key=_written_at)]
        query = scan(schema, paths, probes)
        if kept is not None:
            query = f"SELECT t.* FROM ({query}) AS t WHERE {kept}"
        self.con.execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {query}')

    def register(self, name: str, data: pa.Table | pa.RecordBatchReader) -> None:
        """Show Arrow data under ``name``."""
        self.con.register(name, data)

    def execute(self, sql: str) -> None:
        """Run a statement for its effect."""
        self.con.execute(sql)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Rows of a query."""
        return self.con.execute(sql).fetchall()

    def table(self, sql: str) -> pa.Table:
        """Result of a query as an Arrow table."""
        return self.con.sql(sql).to_arrow_table()

    def only_select(self, sql: str, folders: Sequence[Path]) -> None:
        """Refuse all but one SELECT, and from now on let this session read ``folders`` only."""
        try:
            statements = self.con.extract_statements(sql)
        except duckdb.ParserException as error:
            raise UsageError("this is not SQL", got=str(error).splitlines()[0]) from error
        kinds = [statement.type for statement in statements]
        if kinds != [duckdb.StatementType.SELECT]:
            raise UsageError(
                "only a query is answered",
                expected="one SELECT",
                got=", ".join(kind.name for kind in kinds) or "nothing",
                todo="tables change through jobs only",
            )
        listed = ", ".join(quoted(str(folder.resolve()) + "/") for folder in folders)
        self.con.execute(f"SET allowed_directories = [{listed}]")
        self.con.execute("SET enable_external_access = false")

    def write(
        self,
        sql: str,
        schema: pa.Schema,
        folder: Path,
        d: str | None,
        rows_per_group: int | None = None,
    ) -> list[tuple[str, int]]:
        """Write a query's rows as Parquet below ``folder``; returns (path, rows) of each file.

        ``d`` is the expression of the partition column, None for one unpartitioned file.
        """
        stem = f"part-{os.urandom(8).hex()}"
        columns = casts(schema)
        options = "FORMAT parquet, COMPRESSION zstd, RETURN_STATS true"
        if len(schema) > MANY_COLUMNS:
            options += f", DICTIONARY_SIZE_LIMIT {SHORT_DICTIONARY}"
        if rows_per_group is not None:
            options += f", ROW_GROUP_SIZE {rows_per_group}"
        if d is None:
            target = folder / f"{stem}.parquet"
            query = f"SELECT {columns} FROM ({sql})"
        else:
            target = folder
            query = f"SELECT {columns}, CAST({d} AS VARCHAR) AS d FROM ({sql})"
            options += f", PARTITION_BY (d), APPEND, FILENAME_PATTERN '{stem}-{{uuid}}'"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            done = self.con.execute(f"COPY ({query}) TO {quoted(str(target))} ({options})")
            return [(str(row[0]), int(row[1])) for row in done.fetchall() if row[1]]
        except duckdb.IOException as error:
            raise StorageError(
                "the lake could not be written",
                got=str(error).splitlines()[0],
                where=str(folder),
                todo="free some disk space or mend the permissions, then run again",
            ) from error


def described(query: str, tables: Mapping[str, pa.Schema]) -> dict[str, str]:
    """Names and types of the columns that ``query`` would give over ``tables``; nothing is run.

    UsageError with what DuckDB says against it.
    """
    with duckdb.connect(":memory:", config={"threads": 1}) as con:
        for name, schema in tables.items():
            con.execute(f'CREATE VIEW "{name}" AS {scan(schema, [])}')
        try:
            return {str(row[0]): str(row[1]) for row in con.execute(f"DESCRIBE {query}").fetchall()}
        except duckdb.Error as error:
            said = str(error).splitlines()[0]
            raise UsageError("the query cannot be run", got=said) from error


def scan(schema: pa.Schema, paths: Sequence[str], probes: Sequence[str] | None = None) -> str:
    """A SELECT over Parquet files that gives exactly the columns of ``schema``.

    ``probes`` are the files looked into for columns that may be missing; all when None.
    """
    if not paths:
        nothing = ", ".join(f'CAST(NULL AS {sql_type(f.type)}) AS "{f.name}"' for f in schema)
        return f"SELECT {nothing} WHERE false"
    listed = ", ".join(quoted(path) for path in paths)
    if all(_has_columns(path, schema) for path in (paths if probes is None else probes)):
        names = ", ".join(f'"{field.name}"' for field in schema)
        return f"SELECT {names} FROM read_parquet([{listed}], hive_partitioning = false)"
    nothing = ", ".join(f'CAST(NULL AS {sql_type(f.type)}) AS "{f.name}"' for f in schema)
    return (
        f"SELECT {', '.join(chr(34) + f.name + chr(34) for f in schema)} FROM "
        f"(SELECT {nothing} WHERE false UNION ALL BY NAME SELECT * FROM "
        f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true))"
    )


def _written_at(path: str) -> tuple[int, str]:
    try:
        return (Path(path).stat().st_mtime_ns, path)
    except FileNotFoundError:
        return (0, path)


def _has_columns(path: str, schema: pa.Schema) -> bool:
    try:
        columns = set(pq.read_schema(path).names)
    except FileNotFoundError as error:
        raise StorageError(
            "a file of this release is gone",
            expected="a Parquet file",
            got="nothing",
            where=path,
            todo="take a newer release (`guiyi release list`); this one was vacuumed",
        ) from error
    return all(name in columns for name in schema.names)


def run(session: Session, step: Step, tables: Mapping[str, str]) -> pa.Table:
    """Run a ``rows`` or ``sql`` step; ``tables`` maps names it reads to views of the session."""
    if step.kind == "sql":
        return session.table(placed(step, tables).sql(dialect="duckdb"))
    assert step.rows is not None
    (source,) = tables.values()
    reader = session.con.sql(f'SELECT * FROM "{source}"').to_arrow_reader(100_000)
    return pa.Table.from_batches([step.rows(batch) for batch in reader], schema=step.schema)


def placed(step: Step, tables: Mapping[str, str]) -> exp.Expr:
    """The tree of an ``sql`` step that reads the views which ``tables`` gives for its names."""
    assert step.sql is not None
    tree = step.sql.copy()
    for table in tree.find_all(exp.Table):
        if table.name in tables:
            table.set("this", exp.to_identifier(tables[table.name], quoted=True))
    return tree
