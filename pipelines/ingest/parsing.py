"""One query per source, compiled from its declaration: lines in, typed and judged rows out."""

from __future__ import annotations

from datetime import UTC, datetime, time

from domain.clocks import correct_sql
from domain.dates import business_date_sql
from lake.engines.duckdb import quoted
from pipelines.ingest import columns, details
from schemas.programme import Programme
from schemas.sources import Key, Source

MARK = "\x1f"
"""Stands between reason and detail of a bad row."""
ENDS = {
    "gzip_cut": "expected a whole gzip stream, got one cut short",
    "no_newline": "expected a line end, got the end of the file",
}
"""Detail of a line that was cut off, by how."""


def query(source: Source, programme: Programme, relation: str = "ingest_lines") -> str:
    """A SELECT over ``relation`` (and ``ingest_files``) that gives one staged row per line.

    ``bad`` is NULL or reason and detail. Lines of CSV have been cut into ``f_COLUMN`` already.
    """
    zone = source.zone or programme.zone
    return (
        f"SELECT file_no, line, {_verdict(source, zone)} AS bad, "
        f"{', '.join(_staged(source, programme))} FROM ({_timed(source, zone, relation)})"
    )


def _fields(source: Source, relation: str) -> str:
    files = "JOIN ingest_files USING (file_no)"
    if source.format == "csv":
        came = [f"NULLIF(\"f_{c}\", '') AS {columns.raw(c)}" for c in source.columns]
        listed = ["file_no", "line", "text", "cut", "delivered_at", "count_fields", "count_header"]
        return f"SELECT {', '.join(listed + came)} FROM {relation} {files}"
    came = [
        f"{columns.json_access(source, c, 'parsed')} AS {columns.raw(c)}" for c in source.columns
    ]
    parsed = f"from_json(text, {quoted(columns.json_structure(source))})"
    return (
        f"SELECT file_no, line, text, cut, delivered_at, is_json, {', '.join(came)} "
        f"FROM (SELECT *, CASE WHEN is_json THEN {parsed} END AS parsed "
        f"FROM (SELECT *, json_valid(text) AS is_json FROM {relation} {files}))"
    )


def _typed(source: Source, zone: str, relation: str) -> str:
    typed = [
        f'{columns.typed(column, columns.raw(name), zone)} AS {columns.meaning(name)}'
        for name, column in source.columns.items()
    ]
    return f"SELECT *, {', '.join(typed)} FROM ({_fields(source, relation)})"


def _timed(source: Source, zone: str, relation: str) -> str:
    typed = _typed(source, zone, relation)
    if not source.occurred:
        return typed
    at = columns.instant(source, source.occurred, zone)
    if source.clock is None:
        corrected = f"{{'at': {at}, 'is_corrected': false, 'is_suspect': false}}"
    else:
        sent, received = map(columns.meaning, (source.clock.sent, source.clock.received))
        corrected = correct_sql(at, sent, received, source.clock)
    rules = " ".join(
        f"WHEN {columns.condition(source, rule.when)} THEN {quoted(rule.name)}"
        for rule in source.event_types
    )
    return f"SELECT *, {corrected} AS ingest_time, CASE {rules} END AS ingest_type FROM ({typed})"


def _staged(source: Source, programme: Programme) -> list[str]:
    if source.occurred:
        zone = programme.zone
        listed = [
            f"{_event_id(source)} AS event_id",
            "ingest_type AS type",
            "ingest_time.at AS occurred_at",
            f"{business_date_sql('ingest_time.at', zone)} AS business_date",
            "ingest_time.is_corrected AS is_clock_corrected",
            "ingest_time.is_suspect AS is_clock_suspect",
        ]
    else:
        listed = []
    for number, name in enumerate(source.properties):
        came = columns.text(source, name)
        if source.columns[name].type == "date":
            came = f"CAST({columns.meaning(name)} AS VARCHAR)"
        listed.append(f"{came} AS p_{number}")
    for number, one in enumerate(source.identifiers):
        listed.append(f"{columns.slot(source, one)} AS s_{number}")
    return listed + [f'{sql} AS "d_{name}"' for name, sql in details.of(source, programme).items()]


def _event_id(source: Source) -> str:
    if isinstance(source.dedupe, Key):
        parts = [_key_part(source, name) for name in source.dedupe.key]
        return parts[0] if len(parts) == 1 else " || ':' || ".join(map(_escaped, parts))
    return "substr(sha256(rtrim(text, chr(13) || chr(10))), 1, 32)"


def _key_part(source: Source, name: str) -> str:
    came = columns.text(source, name)
    if source.columns[name].type != "integer":
        return came
    return f"coalesce(CAST({columns.meaning(name)} AS VARCHAR), {came})"


def _escaped(part: str) -> str:
    """``part`` with a backslash before each backslash and colon: x:1, 2 is not x, 1:2."""
    return rf"replace(replace({part}, '\', '\\'), ':', '\:')"


def _verdict(source: Source, zone: str) -> str:
    """A CASE whose first failing check gives reason and detail."""
    checks = [*_line_checks(source), *_column_checks(source), *_row_checks(source)]
    whens = " ".join(
        f"WHEN {failed} THEN '{reason}{MARK}' || {detail}" for failed, reason, detail in checks
    )
    is_bad = " OR ".join(failed for failed, _, _ in checks)
    return f"CASE WHEN {is_bad} THEN CASE {whens} END END"


Check = tuple[str, str, str]


def _line_checks(source: Source) -> list[Check]:
    cut = "cut IS NOT NULL" if source.final_newline == "required" else "cut = 'gzip_cut'"
    ends = f"CASE cut {' '.join(f'WHEN {quoted(c)} THEN {quoted(e)}' for c, e in ENDS.items())} END"
    encoding = quoted(f"expected text in {source.encoding}, got other bytes")
    checks = [(cut, "truncated_line", ends), ("text IS NULL", "bad_encoding", encoding)]
    if source.format == "csv":
        quotes = quoted("expected every quote to be closed on its line")
        count = "'expected ' || count_header || ' fields, got ' || count_fields"
        return [
            *checks,
            ("count_fields < 0", "broken_quotes", quotes),
            ("count_fields <> count_header", "wrong_field_count", count),
        ]
    shape = quoted("expected a JSON object")
    is_object = "is_json AND starts_with(ltrim(text, ' ' || chr(9) || chr(13)), '{')"
    return [*checks, (f"NOT ({is_object})", "broken_json", shape)]


def _column_checks(source: Source) -> list[Check]:
    checks = []
    for name in sorted(_required(source), key=list(source.columns).index):
        detail = quoted(f"expected {source.field(name)}, got nothing")
        checks.append((f"{columns.raw(name)} IS NULL", "missing_field", detail))
    for name, column in source.columns.items():
        if column.lenient or column.others == "drop" or _always_readable(source, name):
            continue
        came = columns.raw(name)
        shown = f"{quoted(_expectation(source, name))} || left({came}, 80)"
        failed = f"({came} IS NOT NULL AND {columns.meaning(name)} IS NULL)"
        checks.append((failed, columns.unreadable(column), shown))
    return checks


def _expectation(source: Source, name: str) -> str:
    column = source.columns[name]
    wanted = "one of " + ", ".join(column.values) if column.values else column.type
    return f"expected {source.field(name)} as {wanted}, got "


def _always_readable(source: Source, name: str) -> bool:
    column = source.columns[name]
    return column.type in ("text", "json") and (not column.values or column.others == "keep")


def _required(source: Source) -> set[str]:
    names = {name for name, column in source.columns.items() if column.required}
    names |= set(source.dedupe.key) if isinstance(source.dedupe, Key) else set()
    names |= {source.occurred} if source.occurred else set()
    names |= {source.clock.received} if source.clock else set()
    return names | details.required(source)


def _row_checks(source: Source) -> list[Check]:
    if not source.occurred:
        return []
    kinds = sorted({name for rule in source.event_types for name in rule.when})
    came = " || ' ' || ".join(f"coalesce({columns.text(source, k)}, '')" for k in kinds) or "''"
    earliest = datetime.combine(source.earliest_on, time(), UTC)
    early = f"epoch_us(ingest_time.at) < {int(earliest.timestamp()) * 1_000_000}"
    late = f"epoch_us(ingest_time.at) > epoch_us(delivered_at) + {source.ahead_hours} * 3600000000"
    when = "'expected a time from " + str(source.earliest_on) + (
        " up to delivery, got ' || CAST(ingest_time.at AS VARCHAR)"
    )
    return [
        ("ingest_type IS NULL", "unknown_event_type", f"'no event type for ' || {came}"),
        *details.checks(source),
        (f"({early} OR {late})", "date_out_of_range", when),
    ]
