"""SQL expressions of a declared column: where it stands, and what it means."""

from __future__ import annotations

import json
import re
from typing import Any

from domain.dates import local_time_sql
from domain.identifiers import PHONE_RUN
from lake.engines.duckdb import quoted
from schemas.errors import ConfigError
from schemas.sources import Column, Identifier, Source, When

_INTEGER = r"[+-]?\d{1,9}"
_DECIMAL = r"[+-]?\d{1,12}(\.\d{1,6})?"
_MONEY = r"[¥￥$€£]? ?[+-]?\d{1,3}(,\d{3}){0,3}(\.\d{1,6})?"
_DAY = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
_ISO = _DAY + "[T ]" + _CLOCK + r"(Z|[+-]\d{2}(:?\d{2})?)"
_LOCAL = _DAY + "([T ]" + _CLOCK + ")?"
_STEP = re.compile(r"([^.\[\]]+)((?:\[\d+\])*)")

Node = dict[str, Any]


def raw(column: str) -> str:
    """The name of the column's text as it came."""
    return f'"r_{column}"'


def meaning(column: str) -> str:
    """The name of the column's typed value."""
    return f'"c_{column}"'


def text(source: Source, column: str) -> str:
    """The column's meaning as text: mapped where it is text, else as it came."""
    kind = source.columns[column].type
    return meaning(column) if kind == "text" else raw(column)


def json_structure(source: Source) -> str:
    """The structure that ``from_json`` reads of a line: every leaf as text."""
    tree: Node = {}
    for name, column in source.columns.items():
        leaf = "JSON" if column.type == "json" else "VARCHAR"
        _plant(tree, _steps(source.field(name)), leaf, source, name)
    return json.dumps(tree, ensure_ascii=False)


def json_access(source: Source, column: str, parsed: str) -> str:
    """The column inside the STRUCT ``parsed``; blank text is absent."""
    place = parsed
    for step in _steps(source.field(column)):
        place += f"[{step + 1}]" if isinstance(step, int) else '."' + step + '"'
    return f"NULLIF(CAST({place} AS VARCHAR), '')"


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    for name, indexes in _STEP.findall(path):
        steps += [name, *(int(i) for i in re.findall(r"\d+", indexes))]
    return steps


def _plant(tree: Node, steps: list[str | int], leaf: str, source: Source, column: str) -> None:
    node: Any = tree
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        fresh: Any = leaf if following is None else [] if isinstance(following, int) else {}
        if isinstance(step, int):
            if not node:
                node.append(fresh)
            node = node[0]
            continue
        if following is None and step in node or isinstance(node.get(step), str):
            raise ConfigError(
                "two columns read the same place",
                expected="one column per JSON path, none inside another",
                got=source.field(column),
                where=f"source {source.name}, column {column}",
            )
        node = node.setdefault(step, fresh)


def typed(column: Column, came: str, zone: str) -> str:
    """What the text expression ``came`` means by the column's type; NULL where it means nothing."""
    if column.values:
        named = " ".join(
            f"WHEN {quoted(key)} THEN {quoted(value)}" for key, value in column.values.items()
        )
        return f"CASE {came} {named} {f'ELSE {came} ' if column.others == 'keep' else ''}END"
    if column.type in ("date", "local_time") and column.format:
        read = f"try_strptime({came}, {quoted(column.format)})"
        return f"CAST({read} AS DATE)" if column.type == "date" else local_time_sql(read, zone)
    if column.type == "money":
        plain = f"regexp_replace({came}, '[¥￥$€£ ,]', '', 'g')"
        return (
            f"CASE WHEN regexp_full_match({came}, '{_DECIMAL}') "
            f"THEN TRY_CAST({came} AS DECIMAL(18,6)) WHEN regexp_full_match({came}, '{_MONEY}') "
            f"THEN TRY_CAST({plain} AS DECIMAL(18,6)) END"
        )
    forms = {
        "integer": (_INTEGER, f"TRY_CAST({came} AS BIGINT)"),
        "decimal": (_DECIMAL, f"TRY_CAST({came} AS DECIMAL(18,6))"),
        "date": (_DAY, f"TRY_CAST({came} AS DATE)"),
        "local_time": (_LOCAL, local_time_sql(f"TRY_CAST({came} AS TIMESTAMP)", zone)),
        "iso_time": (_ISO, f"TRY_CAST({came} AS TIMESTAMPTZ)"),
        "epoch_ms": (r"\d{1,14}", f"make_timestamptz(CAST({came} AS BIGINT) * 1000)"),
    }
    if column.type not in forms:
        return came
    pattern, read = forms[column.type]
    if column.type == "iso_time":
        is_utc = f"ends_with({came}, 'Z') AND strlen({came}) BETWEEN 20 AND 30"
        return f"CASE WHEN {is_utc} OR regexp_full_match({came}, '{pattern}') THEN {read} END"
    return f"CASE WHEN regexp_full_match({came}, '{pattern}') THEN {read} END"


def unreadable(column: Column) -> str:
    """The reason of a row whose column came and means nothing."""
    if column.type in ("integer", "decimal", "money"):
        return "bad_number"
    return "unknown_value" if column.type in ("text", "json") else "bad_time"


def instant(source: Source, column: str, zone: str) -> str:
    """The typed time ``column`` as TIMESTAMPTZ; a date is its first instant in ``zone``."""
    if source.columns[column].type == "date":
        return local_time_sql(f"CAST({meaning(column)} AS TIMESTAMP)", zone)
    return meaning(column)


def condition(source: Source, when: When) -> str:
    """Whether all of ``when`` holds; never NULL."""
    every = [
        "(" + " OR ".join(_matches(text(source, column), one) for one in value.split("|")) + ")"
        for column, value in when.items()
    ]
    return f"coalesce({' AND '.join(every)}, false)" if every else "true"


def _matches(came: str, pattern: str) -> str:
    if pattern == "*":
        return f"{came} IS NOT NULL"
    if pattern.endswith("*"):
        return f"starts_with({came}, {quoted(pattern[:-1])})"
    return f"{came} = {quoted(pattern)}"


def slot(source: Source, identifier: Identifier) -> str:
    """The raw text in which an identifier stands; NULL where its conditions do not hold."""
    came = text(source, identifier.column)
    if identifier.find:
        came = f"NULLIF(array_to_string(regexp_extract_all({came}, '{PHONE_RUN}'), ','), '')"
    if not identifier.when:
        return came
    return f"CASE WHEN {condition(source, identifier.when)} THEN {came} END"
