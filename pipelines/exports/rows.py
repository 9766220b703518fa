"""The rows of an export in their order, as columns for Parquet or as lines for CSV."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from lake.engines.duckdb import Session
from pipelines.exports.delta import CHANGE
from pipelines.exports.members import CHOSEN, LEAVING
from pipelines.exports.recipes import RECIPES
from schemas.exports import Export


def row_query(recipe: Export, day: date) -> str:
    """SQL giving the columns of ``recipe`` in its order of rows, over what ``choose`` has shown."""
    if recipe.each == "all":
        inner, columns = _a_row_each(recipe)
    else:
        inner, columns = _a_row_per_member(recipe)
    named = [f'{sql} AS "{name}"' for name, sql in zip(recipe.columns, columns, strict=True)]
    if not recipe.tags:
        return f"SELECT {', '.join(named)} FROM ({inner} ORDER BY {_order(recipe)}) AS r"
    on = f"DATE '{day.isoformat()}'"
    tags = "".join(f', t."{name}"' for name in recipe.tags)
    return (
        f"SELECT {', '.join(named)} FROM (SELECT r.*{tags} FROM ({inner}) AS r LEFT JOIN "
        f"(SELECT * FROM tag_values WHERE business_date = {on}) AS t "
        f"ON t.person_no = r.person_no ORDER BY {_order(recipe, 'r.')}) AS r"
    )


def _order(recipe: Export, side: str = "") -> str:
    return f"{side}person_no, {side}nth, {side}form" if recipe.each == "all" else f"{side}person_no"


def _a_row_each(recipe: Export) -> tuple[str, list[str]]:
    one_id, join = _own_id(recipe)
    cases = "".join(
        f" WHEN {nth} THEN {RECIPES[one.recipe].hashed('r.form')}"
        for nth, one in enumerate(recipe.identifiers)
    )
    types = "".join(f" WHEN {nth} THEN '{one.type}'" for nth, one in enumerate(recipe.identifiers))
    names = "".join(
        f" WHEN {nth} THEN '{one.recipe}'" for nth, one in enumerate(recipe.identifiers)
    )
    columns = [f"r.{name}" for name in recipe.person]
    columns += [f"CASE r.nth{types} END", f"CASE r.nth{names} END", f"CASE r.nth{cases} END"]
    inner = f"SELECT c.person_no, c.nth, c.form{one_id} FROM {CHOSEN} AS c{join}"
    return inner, [*columns, *_tags(recipe)]


def _a_row_per_member(recipe: Export) -> tuple[str, list[str]]:
    columns = [f"r.{name}" for name in recipe.person]
    columns += [
        RECIPES[one.recipe].hashed(f"r.form_{nth}") for nth, one in enumerate(recipe.identifiers)
    ]
    columns += _tags(recipe)
    if not recipe.identifiers:
        return f"SELECT person_no, one_id FROM {LEAVING}", columns
    one_id, join = _own_id(recipe)
    if len(recipe.identifiers) == 1:
        inner = f"SELECT c.person_no, c.form AS form_0{one_id} FROM {CHOSEN} AS c{join}"
        return inner, columns
    forms = ", ".join(
        f"any_value(form) FILTER (WHERE nth = {nth}) AS form_{nth}"
        for nth in range(len(recipe.identifiers))
    )
    one_each = f"(SELECT person_no, {forms} FROM {CHOSEN} GROUP BY person_no)"
    return f"SELECT c.*{one_id} FROM {one_each} AS c{join}", columns


def _own_id(recipe: Export) -> tuple[str, str]:
    if "one_id" not in recipe.person:
        return "", ""
    return ", l.one_id", f" JOIN {LEAVING} AS l ON l.person_no = c.person_no"


def _tags(recipe: Export) -> list[str]:
    return [f'r."{name}"' for name in recipe.tags]


def column_types(session: Session, query: str) -> dict[str, str]:
    """Names and SQL types of the columns of ``query``."""
    return {str(row[0]): str(row[1]) for row in session.rows(f"DESCRIBE {query}")}


def line_query(query: str, types: dict[str, str], simple: Collection[str] = ()) -> str:
    """SQL giving each row of ``query`` as one line of CSV (RFC 4180, LF), in the same order.

    ``simple`` are columns in which no comma, quote or line end can stand.
    """
    parts = " || ',' || ".join(
        _field(name, "BIGINT" if name in simple else kind) for name, kind in types.items()
    )
    return f"SELECT {parts} || chr(10) AS line FROM ({query})"


def simple_columns(recipe: Export) -> set[str]:
    """Columns of ``recipe`` whose texts need no quotes in CSV: hashes, and our own ids."""
    hashed = {one.name for one in recipe.identifiers if not RECIPES[one.recipe].is_clear}
    if recipe.each == "all":
        is_clear = any(RECIPES[one.recipe].is_clear for one in recipe.identifiers)
        hashed = set() if is_clear else {"identifier"}
    return {*hashed, *recipe.person, "identifier_type", "recipe", CHANGE}


def header(names: list[str]) -> str:
    """The first line of a part in CSV."""
    return ",".join(names) + "\n"


_SAFE = ("BOOLEAN", "INTEGER", "BIGINT", "DOUBLE", "DATE")


def _field(name: str, kind: str) -> str:
    """A value as CSV: nothing for NULL, in quotes where it has a comma, a quote or a line end."""
    if kind in _SAFE or kind.startswith("DECIMAL"):
        return f"coalesce(CAST(\"{name}\" AS VARCHAR), '')"
    text = f'CAST("{name}" AS VARCHAR)'
    quoted = f"'\"' || replace({text}, '\"', '\"\"') || '\"'"
    return (
        f"coalesce(CASE WHEN regexp_matches({text}, '[\",\\n\\r]') THEN {quoted} "
        f"ELSE {text} END, '')"
    )
