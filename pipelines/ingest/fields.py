"""Lines of CSV cut into fields: a vectorised split, and a parser for lines that hold quotes."""

from __future__ import annotations

import csv

import pyarrow as pa
import pyarrow.compute as pc

from schemas.sources import Source

UNCLOSED = -1
"""Count of fields of a line whose quotes are not closed."""


def names(header: bytes, source: Source) -> list[str] | None:
    """The field names of a header line, None when it is not in the source's encoding."""
    try:
        text = header.decode(source.encoding)
    except UnicodeDecodeError:
        return None
    row = next(csv.reader([text], delimiter=source.delimiter), [])
    return [name.strip() for name in row]


def problem(header: list[str] | None, source: Source) -> tuple[str, str] | None:
    """Reason and detail when a header does not fit the declaration: then no row of it is read."""
    if header is None:
        return "bad_encoding", f"expected a header in {source.encoding}, got other bytes"
    wanted = [source.field(column) for column in source.columns]
    known = {*wanted, *source.ignored}
    missing = [name for name in wanted if name not in header]
    if missing:
        return "missing_column", f"expected {', '.join(missing)}, got {', '.join(header)}"
    extra = [n for i, n in enumerate(header) if n not in known or n in header[:i]]
    if extra:
        return "unknown_column", f"expected only declared fields, got {', '.join(extra)}"
    return None


def cut(lines: pa.Table, header: list[str], source: Source) -> pa.Table:
    """``lines`` with ``count_fields``, ``count_header`` and a text ``f_COLUMN`` per column."""
    text = pc.ascii_rtrim(lines["text"].combine_chunks(), "\r\n")
    quoted = pc.fill_null(pc.match_substring(text, '"'), False)
    has_quotes = pc.any(quoted).as_py()
    if not has_quotes:
        return _plain(lines, text, header, source)
    plain = pc.invert(quoted)
    return pa.concat_tables(
        [
            _plain(lines.filter(plain), text.filter(plain), header, source),
            _with_quotes(lines.filter(quoted), text.filter(quoted), header, source),
        ]
    )


def _plain(lines: pa.Table, text: pa.Array, header: list[str], source: Source) -> pa.Table:
    parts = pc.split_pattern(text, source.delimiter)
    counts = pc.fill_null(pc.list_value_length(parts), 0)
    whole = pc.equal(counts, len(header))
    if pc.all(whole).as_py():
        return _with_columns(lines, counts, _columns(parts, header), header, source)
    right, wrong = lines.filter(whole), pc.invert(whole)
    broken = lines.filter(wrong)
    nothing = [pa.nulls(len(broken), pa.string())] * len(header)
    return pa.concat_tables(
        [
            _with_columns(
                right, counts.filter(whole), _columns(parts.filter(whole), header), header, source
            ),
            _with_columns(broken, counts.filter(wrong), nothing, header, source),
        ]
    )


def _columns(parts: pa.Array, header: list[str]) -> list[pa.Array]:
    return [pc.list_element(parts, number) for number in range(len(header))]


def _with_quotes(lines: pa.Table, text: pa.Array, header: list[str], source: Source) -> pa.Table:
    rows, counts = [], []
    for line in text.to_pylist():
        row = _parsed(line, source.delimiter)
        counts.append(UNCLOSED if row is None else len(row))
        rows.append(row if row is not None and len(row) == len(header) else [None] * len(header))
    values = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return _with_columns(lines, pa.array(counts, pa.int32()), values, header, source)


def _parsed(line: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return None


def _with_columns(
    lines: pa.Table, counts: pa.Array, values: list[pa.Array], header: list[str], source: Source
) -> pa.Table:
    table = lines.append_column("count_fields", counts)
    table = table.append_column("count_header", pa.array([len(header)] * len(lines), pa.int32()))
    for column in source.columns:
        value = values[header.index(source.field(column))]
        table = table.append_column(f"f_{column}", pc.ascii_trim_whitespace(value))
    return table
