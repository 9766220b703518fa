from __future__ import annotations

import duckdb
import pytest

from lake.contracts import query
from lake.engines.duckdb import sql_type
from schemas import catalog, errors
from schemas.errors import GuiyiError, NotFoundError
from schemas.table import Table, is_allowed

ALL = list(catalog.TABLES.values())


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.name)
def test_every_table_says_its_grain_key_and_columns(table: Table) -> None:
    assert table.grain
    assert set(table.key) <= set(table.columns)
    assert all(is_allowed(field.type) for field in table.schema)
    assert all(field.metadata[b"comment"] for field in table.schema)
    assert not any(table.schema.field(name).nullable for name in table.key)
    assert table.partition is None or table.partition in table.columns


@pytest.mark.parametrize("table", ALL, ids=lambda t: t.name)
def test_every_contract_is_valid_sql_over_the_tables_columns(table: Table) -> None:
    columns = ", ".join(f'"{f.name}" {sql_type(f.type)}' for f in table.schema)
    con = duckdb.connect()
    con.execute(f"CREATE TABLE t ({columns})")
    assert set(con.execute(query(table, "t")).fetchall()[0]) == {0}


def test_references_name_tables_that_exist() -> None:
    for table in ALL:
        for name, other in table.references.items():
            assert name in table.columns
            assert other in catalog.TABLES


def test_an_unknown_table_is_answered_with_those_that_exist() -> None:
    with pytest.raises(NotFoundError, match=r"order_lines") as caught:
        catalog.table("orders")
    assert caught.value.exit_code == 2


def test_every_error_of_the_tree_is_drawn_with_its_exit_code() -> None:
    drawn = errors.__doc__ or ""
    classes = [
        value for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, GuiyiError)
    ]
    for kind in classes:
        (line,) = [text for text in drawn.splitlines() if f" {kind.__name__} " in text]
        assert f"exit {kind.exit_code} " in line
