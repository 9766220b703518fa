"""A file of identifiers that somebody hands in becomes keys; no other line goes unmentioned."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from domain.identifiers import LONGEST, identifier_key, normalise
from schemas.errors import InputError, UsageError


class Refused(NamedTuple):
    """A line that names nobody: its number in the file, why, and its text as it came."""

    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Given:
    """Keys, each once in the order of the file, and what became of every other line.

    Lines in = keys + duplicates + empty + refused.
    """

    keys: list[int]
    refused: list[Refused]
    count_lines: int
    count_empty: int
    count_duplicates: int


def given(
    content: bytes, type: str, column: str | None, *, region: str, secret: bytes, file: str
) -> Given:
    """The identifiers of ``type`` in ``content``: one a line, or the ``column`` of a CSV file.

    ``region`` is the country of phones written without one, ``file`` what errors call the file.
    The header of a CSV file is no line. UsageError where a header stands and no column is named,
    or the column is absent; InputError where no line is text.
    """
    keys: dict[int, None] = {}
    refused: list[Refused] = []
    count, empty, duplicates = 0, 0, 0
    for line, text in _values(_text(content, file), type, column, file):
        count += 1
        if text is None or not text.strip():
            empty += 1
            continue
        normal = normalise(type, text, region)
        if normal is None or "\ufffd" in text:
            refused.append(Refused(line, _reason(type, text), text))
            continue
        key = identifier_key(type, normal, secret)
        duplicates += key in keys
        keys[key] = None
    return Given(list(keys), refused, count, empty, duplicates)


def _text(content: bytes, file: str) -> str:
    if b"\0" in content or content[:2] == b"\x1f\x8b":
        raise InputError(
            "a file of identifiers cannot be read", expected="text in UTF-8, or CSV",
            got="gzip" if content[:2] == b"\x1f\x8b" else "binary bytes", where=file,
            todo="unpack it, or save it as UTF-8 text",
        )
    return content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")


def _values(
    text: str, type: str, column: str | None, file: str
) -> Iterator[tuple[int, str | None]]:
    """Number of each line and what stands there; None where the row has no such column."""
    if column is not None:
        yield from _column(text, column, file)
        return
    lines = _lines(text)
    first = [cell.strip(' "').lower() for cell in (lines or [""])[0].split(",")]
    if len(first) > 1 or first[0] in (type, "value", "identifier", "id"):
        raise UsageError(
            "the first line is not one identifier", where=f"{file}:1",
            expected="one identifier a line, or a CSV file and its column",
            got="a header" if len(first) == 1 else f"{len(first)} columns",
            todo=f"add --column {type}, or what the column is called",
        )
    yield from enumerate(lines, 1)


def _lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _column(text: str, column: str, file: str) -> Iterator[tuple[int, str | None]]:
    reader = csv.reader(_lines(text))
    header = next(reader, [])
    if column not in header:
        raise UsageError(
            f"the file has no column {column!r}", where=f"{file}:1", got=column,
            expected="one of " + ", ".join(header) if header else "a header",
        )
    place = header.index(column)
    for row in reader:
        yield reader.line_num, row[place] if place < len(row) else None


def _reason(type: str, text: str) -> str:
    if "\ufffd" in text:
        return "not text in UTF-8"
    if len(text.strip()) > LONGEST:
        return f"longer than {LONGEST} characters"
    return {"phone": "not a phone number", "email": "not an e-mail address"}.get(
        type, "nothing visible"
    )
