"""Records as Splink wants them: numbered in the order of their ids, their columns normalised."""

from __future__ import annotations

from domain.masking import mask
from lake.engines.duckdb import Session
from schemas.errors import InputError, UsageError
from schemas.fuzzy import Kind, Matching

RECORDS = "fuzzy_records"
COMPARED = "fuzzy_compared"

_SPACED = r"trim(regexp_replace(strip_accents(lower({x})), '\s+', ' ', 'g'))"
_PLAIN = r"regexp_replace(strip_accents(lower({x})), '[^\p{{L}}\p{{N}}]', '', 'g')"
# 19560409, 1956/04/09 and 1956-04-09 00:00:00 become 1956-04-09; anything else stays as it is.
_DATE = (
    r"CASE WHEN regexp_matches(trim({x}), '^\d{{4}}[-/.]?\d\d[-/.]?\d\d([ T].*)?$') THEN "
    r"regexp_replace(trim({x}), '^(\d{{4}})[-/.]?(\d\d)[-/.]?(\d\d).*$', '\1-\2-\3') "
    r"ELSE trim({x}) END"
)
_NORMALISED: dict[Kind, str] = {
    "name": _SPACED,
    "text": _SPACED,
    "exact": _SPACED,
    "email": "trim(lower({x}))",
    "postcode": _PLAIN,
    "code": _PLAIN,
    "date_of_birth": _DATE,
}


def names(settings: Matching) -> dict[str, str]:
    """Column of the records → its name inside the model, which no user's spelling can break."""
    return {column: f"c{place}" for place, column in enumerate(settings.used())}


def full_name(first_name: str) -> str:
    """The column that holds first name and surname as one, by the model's name of the first."""
    return f"{first_name}_full"


def lay_out(session: Session, source: str, settings: Matching, file: str) -> int:
    """Make ``fuzzy_records`` and ``fuzzy_compared`` of the relation ``source``; gives their rows.

    ``fuzzy_records`` has record_no, type, value and seen_at, ``fuzzy_compared`` record_no, type and
    the columns of ``names``, lower case, without accents and blanks at the ends. What is wrong with
    the records raises UsageError or InputError that names ``file``.
    """
    _check_columns(session, source, settings, file)
    session.execute(_records_sql(source, settings))
    count = _check_ids(session, settings, file)
    _check_dates(session, settings, file)
    session.execute(_compared_sql(settings))
    _check_filled(session, settings, count, file)
    return count


def _check_columns(session: Session, source: str, settings: Matching, file: str) -> None:
    there = [str(row[0]) for row in session.rows(f"DESCRIBE SELECT * FROM {source}")]
    wanted = [settings.id.column, settings.id.type_column, settings.seen_at, *settings.used()]
    missing = [name for name in wanted if name is not None and name not in there]
    if missing:
        raise UsageError(
            f"the records have no column {missing[0]!r}",
            expected=", ".join(missing),
            got=", ".join(there),
            where=file,
            todo="name columns in the settings as the file does",
        )


def _records_sql(source: str, settings: Matching) -> str:
    kept = [f"CAST({_quoted(n)} AS VARCHAR) AS {c}" for n, c in names(settings).items()]
    type = f"CAST({_quoted(settings.id.type_column)} AS VARCHAR)" if settings.id.type_column else ""
    type = type or "'" + (settings.id.type or "").replace("'", "''") + "'"
    seen = f"nullif(trim(CAST({_quoted(settings.seen_at)} AS VARCHAR)), '')"
    seen = seen if settings.seen_at else "CAST(NULL AS VARCHAR)"
    return f"""
    CREATE OR REPLACE TEMP TABLE {RECORDS} AS
    SELECT row_number() OVER (ORDER BY type, value) AS record_no, * FROM (
      SELECT nullif(trim({type}), '') AS type,
        nullif(trim(CAST({_quoted(settings.id.column)} AS VARCHAR)), '') AS value,
        {seen} AS seen, TRY_CAST({seen} AS TIMESTAMPTZ) AS seen_at, {", ".join(kept)}
      FROM {source}
    )
    """


def _check_ids(session: Session, settings: Matching, file: str) -> int:
    ((count, nameless),) = session.rows(
        f"SELECT count(*), count(*) FILTER (WHERE type IS NULL OR value IS NULL) FROM {RECORDS}"
    )
    if not count:
        raise InputError("there is no record", expected="at least two", got="none", where=file)
    if nameless:
        raise InputError(
            "records without an id",
            expected=f"a value in {settings.id.column} on every row",
            got=f"{nameless} of {count} rows without",
            where=file,
            todo="leave these rows out or give them an id",
        )
    twice = session.rows(
        f"SELECT type, value, count(*) FROM {RECORDS} GROUP BY ALL HAVING count(*) > 1 "
        "ORDER BY type, value"
    )
    if twice:
        type, value, times = twice[0]
        raise InputError(
            "an id stands on several records",
            expected=f"each value of {settings.id.column} once per type",
            got=f"{len(twice)} repeated, first {type} {mask(str(type), str(value))} {times} times",
            where=file,
            todo="give each row its own id, or keep one row of each",
        )
    return int(str(count))


def _check_dates(session: Session, settings: Matching, file: str) -> None:
    ((bad, first),) = session.rows(
        f"SELECT count(*), min(seen) FROM {RECORDS} WHERE seen IS NOT NULL AND seen_at IS NULL"
    )
    if bad:
        raise InputError(
            f"values of {settings.seen_at} that are no dates",
            expected="dates or times as 2017-12-31 or 2017-12-31 08:00:00",
            got=f"{bad} others, first {first!r}",
            where=file,
            todo="mend them, or take seen_at out of the settings",
        )


def _compared_sql(settings: Matching) -> str:
    kinds = {name: one.kind for one in settings.compare for name in one.columns}
    columns = [
        f"nullif({_NORMALISED[kinds.get(name, 'text')].format(x=c)}, '') AS {c}"
        for name, c in names(settings).items()
    ]
    full = ""
    for one in settings.compare:
        if one.surname is not None:
            first, last = names(settings)[one.column], names(settings)[one.surname]
            full += f", {first} || ' ' || {last} AS {full_name(first)}"
    return f"""
    CREATE OR REPLACE TEMP TABLE {COMPARED} AS
    SELECT *{full} FROM (SELECT record_no, type, {", ".join(columns)} FROM {RECORDS})
    ORDER BY record_no
    """


def _check_filled(session: Session, settings: Matching, count: int, file: str) -> None:
    inside = names(settings)
    counts = ", ".join(f"count({name})" for name in inside.values())
    (filled,) = session.rows(f"SELECT {counts} FROM {COMPARED}")
    for column, number in zip(inside, filled, strict=True):
        if number == 0:
            raise InputError(
                f"the column {column!r} is empty on every record",
                expected="values to compare",
                got=f"{count} rows without",
                where=file,
                todo=f"take {column} out of the settings, or fill it",
            )


def _quoted(column: str | None) -> str:
    return '"' + (column or "").replace('"', '""') + '"'
