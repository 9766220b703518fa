"""Coverage and distribution of each tag on the newest date, whatever columns the tags have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

import pyarrow as pa

from console.report.facts import TagBin, TagFacts
from lake.engines.duckdb import Session
from schemas.tags import TAG_VALUES

CATEGORIES = 8
BINS = 24
ZEROS = 0.3
"""Share of zeros above which they are told apart from a histogram."""


def tag_facts(
    session: Session, labels: Mapping[str, str]
) -> tuple[date | None, tuple[TagFacts, ...]]:
    """The newest date of ``tag_values`` and each of its tags, those with a label first."""
    ((on, persons),) = session.rows(
        "SELECT max(business_date), count(*) FILTER (WHERE business_date = newest) "
        "FROM tag_values, (SELECT max(business_date) AS newest FROM tag_values)"
    )
    if on is None:
        return None, ()
    assert isinstance(on, date)
    assert isinstance(persons, int)
    session.execute(
        "CREATE OR REPLACE TEMP TABLE report_tags AS "
        f"SELECT * FROM tag_values WHERE business_date = DATE '{on.isoformat()}'"
    )
    schema = session.table("SELECT * FROM report_tags LIMIT 0").schema
    names = [name for name in schema.names if name not in TAG_VALUES.columns]
    names.sort(key=lambda name: list(labels).index(name) if name in labels else len(labels))
    found = tuple(
        _tag(session, name, labels.get(name, name), schema.field(name).type, persons)
        for name in names
    )
    session.execute("DROP TABLE report_tags")
    return on, found


def _tag(session: Session, name: str, label: str, kind: pa.DataType, persons: int) -> TagFacts:
    ((known, distinct),) = session.rows(
        f'SELECT count("{name}"), count(DISTINCT "{name}") FROM report_tags'
    )
    assert isinstance(known, int)
    assert isinstance(distinct, int)
    if pa.types.is_boolean(kind):
        return TagFacts(name, label, "flag", known, persons, _values(session, name, 2))
    whole = pa.types.is_integer(kind)
    number = whole or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
    if number and not (whole and distinct <= CATEGORIES):
        return _number(session, name, label, known, persons, is_whole=whole)
    order = "value" if number or _is_band(session, name, distinct) else "count DESC, value"
    bins = _values(session, name, CATEGORIES, order, _value(name, kind))
    return TagFacts(name, label, "category", known, persons, bins)


def _is_band(session: Session, name: str, distinct: int) -> bool:
    """Whether few texts all begin with a digit, as age bands do: those read best in order."""
    ((bands,),) = session.rows(
        f'SELECT count(DISTINCT "{name}") FROM report_tags '
        f"WHERE regexp_matches(CAST(\"{name}\" AS VARCHAR), '^[<]?\\d')"
    )
    return distinct <= CATEGORIES and isinstance(bands, int) and bands >= distinct - 1 > 0


def _value(name: str, kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f'unnest("{name}")'
    return f"strftime(\"{name}\", '%Y')" if pa.types.is_date(kind) else f'"{name}"'


def _values(
    session: Session, name: str, most: int, order: str = "value DESC", value: str = ""
) -> tuple[TagBin, ...]:
    column = value or f'"{name}"'
    rows = session.rows(
        f"SELECT value, count(*) AS count FROM (SELECT {column} AS value FROM report_tags "
        f'WHERE "{name}" IS NOT NULL) WHERE value IS NOT NULL GROUP BY value ORDER BY {order}'
    )
    shown = tuple(TagBin(_said(value), int(str(count))) for value, count in rows[:most])
    rest = sum(int(str(count)) for _, count in rows[most:])
    return (*shown, TagBin(f"{len(rows) - most:,} others", rest)) if rest else shown


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _number(
    session: Session, name: str, label: str, known: int, persons: int, *, is_whole: bool
) -> TagFacts:
    """A histogram; zeros stand apart where they would dwarf everything else."""
    ((zeros,),) = session.rows(f'SELECT count(*) FROM report_tags WHERE "{name}" = 0')
    apart = zeros if isinstance(zeros, int) and zeros > ZEROS * known else 0
    where = f'"{name}" <> 0' if apart else f'"{name}" IS NOT NULL'
    bins = _histogram(session, f'CAST("{name}" AS DOUBLE)', where, is_whole)
    return TagFacts(name, label, "number", known, persons, bins, apart)


def _histogram(session: Session, column: str, where: str, is_whole: bool) -> tuple[TagBin, ...]:
    """Equal steps up to the 99th percentile; the last bar holds everything beyond it."""
    ((least, most),) = session.rows(
        f"SELECT min({column}), quantile_disc({column}, 0.99) FROM report_tags WHERE {where}"
    )
    if not isinstance(least, float) or not isinstance(most, float):
        return ()
    span = most - least + is_whole
    step = float(math.ceil(span / BINS)) if is_whole else span / BINS or 1.0
    bars = max(1, math.ceil(span / step))
    counted = {
        place: int(str(count))
        for place, count in session.rows(
            f"SELECT CAST(least(floor(({column} - {least!r}) / {step!r}), {bars - 1}) AS INTEGER) "
            f"AS place, count(*) FROM report_tags WHERE {where} GROUP BY place"
        )
    }
    edges = [least + place * step for place in range(bars + 1)]
    return tuple(
        TagBin(f"{low:,.10g} to {high:,.10g}", counted.get(place, 0), low, high)
        for place, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True))
    )
