"""Free SQL of batch tags: one SELECT over tables of the lake, that gives the same on each run."""

from __future__ import annotations

from datetime import date

import sqlglot
from sqlglot import exp

from lake.engines.duckdb import Session, described
from schemas import catalog
from schemas.errors import ConfigError, UsageError
from schemas.tag_definitions import Tag, Type
from schemas.tags import PARTIALS, PERSON_MEASURES

_NOT_HERE = ("tag_values", "tag_coverage", "audience_members")
_GIVEN: dict[Type, tuple[str, ...]] = {
    "boolean": ("BOOLEAN",), "integer": ("BIGINT", "INTEGER", "SMALLINT", "TINYINT", "HUGEINT"),
    "number": ("DOUBLE", "FLOAT", "DECIMAL", "BIGINT", "INTEGER", "HUGEINT"),
    "text": ("VARCHAR",), "date": ("DATE",), "texts": ("VARCHAR[]",),
}
_UNSTEADY = (
    exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentUser, exp.Rand, exp.Uuid,
    exp.TableSample,
)
# What the parser has no name for is the database's own, clocks and settings among it: these are
# functions of their arguments alone.
_STEADY_NAMES = {
    "bit_count", "element_at", "epoch", "epoch_ms", "epoch_us", "even", "gcd", "hamming",
    "isfinite", "isinf", "jaccard", "jaro_similarity", "jaro_winkler_similarity", "lcm",
    "list_avg", "list_count", "list_distinct", "list_has_all", "list_has_any", "list_max",
    "list_min", "list_sort", "list_sum", "list_unique", "list_value", "map_extract", "map_keys",
    "map_values", "prefix", "regexp_extract_all", "suffix", "time_bucket",
}


def free_query(tag: Tag, day: date) -> exp.Query:
    """The tag's query with ``:business_date`` filled in.

    ConfigError for more than one SELECT, a table that is not in the lake or is made after the
    tags, a function that reads files or the clock, and columns other than ``one_id, value``.
    """
    tree = _parsed(tag)
    _require_columns(tag, tree)
    _require_tables(tag, tree)
    _require_steady(tag, tree)
    literal = exp.cast(exp.Literal.string(day.isoformat()), exp.DataType.Type.DATE)
    for node in list(tree.find_all(exp.Placeholder)):
        if node.name != "business_date":
            raise _wrong(tag, "a query has one parameter", ":business_date", f":{node.name}")
        node.replace(literal.copy())
    return tree


def require_runs(tag: Tag, day: date) -> None:
    """ConfigError where the database would refuse the query, or its values are of another type.

    A query over measures is passed over: which columns they have is known by the lake alone.
    """
    names = tables_read(tag)
    if {PARTIALS.name, PERSON_MEASURES.name} & set(names):
        return
    query = free_query(tag, day).sql(dialect="duckdb")
    try:
        found = described(query, {name: catalog.table(name).schema for name in names})
    except UsageError as error:
        expected = "a query over the columns of " + (", ".join(names) or "the lake's tables")
        raise _wrong(tag, "the query cannot be run", expected, error.got) from error
    given = found["value"].split("(")[0]
    if given not in _GIVEN[tag.type]:
        cast = _GIVEN[tag.type][0]
        raise ConfigError(
            f"the query gives no {tag.type}", expected=" or ".join(_GIVEN[tag.type]), got=given,
            where=f"tag {tag.name}", todo=f"write CAST(... AS {cast}) AS value, or change the type",
        )


def tables_read(tag: Tag) -> list[str]:
    """Tables of the lake that the tag's query reads, by name."""
    tree = _parsed(tag)
    inner = {with_.alias for with_ in tree.find_all(exp.CTE)}
    return sorted({table.name for table in tree.find_all(exp.Table)} - inner)


def _parsed(tag: Tag) -> exp.Query:
    try:
        trees = [tree for tree in sqlglot.parse(tag.sql or "", dialect="duckdb") if tree]
    except sqlglot.errors.SqlglotError as error:
        said = str(error).splitlines()[0]
        raise _wrong(tag, "this is not SQL", "one SELECT", said) from error
    if len(trees) != 1 or not isinstance(trees[0], exp.Query):
        kinds = ", ".join(type(tree).__name__.upper() for tree in trees) or "nothing"
        raise _wrong(tag, "a free query is one SELECT", "one SELECT", kinds)
    return trees[0]


def _require_columns(tag: Tag, tree: exp.Query) -> None:
    given = tree.named_selects
    if sorted(given) != ["one_id", "value"]:
        raise _wrong(
            tag, "a free query gives two columns", "one_id and value", ", ".join(given) or "none"
        )


def _require_tables(tag: Tag, tree: exp.Query) -> None:
    allowed = [name for name in catalog.TABLES if name not in (*_NOT_HERE, "releases")]
    inner = {with_.alias for with_ in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.db or table.catalog:
            raise _wrong(tag, "only tables of the lake are read", "a table's name", table.sql())
        if table.name not in inner and table.name not in allowed:
            raise _wrong(
                tag, f"there is no table {table.name!r} for tags",
                "one of " + ", ".join(allowed), table.name,
            )


def _require_steady(tag: Tag, tree: exp.Query) -> None:
    for node in tree.walk():
        name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        if isinstance(node, _UNSTEADY) or (name and name not in _STEADY_NAMES):
            raise _wrong(
                tag, "a tag gives the same on each run",
                "functions of their arguments alone, and :business_date for today",
                node.sql(dialect="duckdb"),
            )
        if isinstance(node, exp.With) and node.recursive:
            raise _wrong(tag, "a query must come to an end", "no WITH RECURSIVE", "one")


def require_one_value_each(session: Session, tag: Tag, day: date) -> None:
    """ConfigError when the tag's query gives a person more than one value."""
    query = free_query(tag, day).sql(dialect="duckdb")
    rows = session.rows(
        f"SELECT one_id, count(*) FROM ({query}) GROUP BY one_id HAVING count(*) > 1 LIMIT 1"
    )
    for one_id, count in rows:
        raise _wrong(
            tag, "a tag has one value of a person", "each one_id once, e.g. by GROUP BY one_id",
            f"{count} values of {one_id}",
        )


def _wrong(tag: Tag, message: str, expected: str, got: str) -> ConfigError:
    return ConfigError(
        message, expected=expected, got=got, where=f"tag {tag.name}",
        todo="mend the query under `sql`; try it with `guiyi table sql`",
    )
