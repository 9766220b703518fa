"""Looks for bytes in every file of a lake: as they lie, unpacked, decoded, column by column.

Parquet files are read value by value, so that compression and dictionaries hide nothing; gzip is
undone, base64 decoded, and of JSON the escapes are tried by the pattern itself.
"""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lake import erasing

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{12,}={0,2}")


@dataclass(frozen=True, slots=True)
class Searched:
    """How many files were looked into, and those in which something was found."""

    count_files: int
    found: list[str]


def search(root: Path, pattern: re.Pattern[bytes]) -> Searched:
    """Every file below ``root`` in which ``pattern`` is found; symbolic links are not followed."""
    count, found = 0, []
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        count += 1
        if any(pattern.search(form) for form in forms(path)):
            found.append(str(path.relative_to(root)))
    return Searched(count, found)


def forms(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and all that can be read out of them."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    yield content
    if path.suffix == ".parquet":
        yield from _values(path)
    elif content.startswith(b"\x1f\x8b"):
        text = erasing.text_of(content)
        yield text
        yield from _decoded(text)
    else:
        yield from _decoded(content)


def spoken(values: Iterable[object]) -> Iterator[bytes]:
    """All that can be read out of the values of a row."""
    for value in values:
        content = value if isinstance(value, bytes) else str(value).encode()
        yield content
        yield from _decoded(content)


def _values(path: Path) -> Iterator[bytes]:
    file = pq.ParquetFile(path)
    for batch in file.iter_batches():
        for column in batch.columns:
            texts = b"\n".join(_texts(column))
            yield texts
            yield from _decoded(texts)


def _texts(column: pa.Array) -> Iterator[bytes]:
    """Every text below a column, in lists, maps and structures too."""
    kind: Any = column.type
    if pa.types.is_dictionary(kind):
        yield from _texts(column.dictionary)
    elif pa.types.is_map(kind):
        yield from _texts(column.keys)
        yield from _texts(column.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _texts(pc.list_flatten(column))
    elif pa.types.is_struct(kind):
        for place in range(kind.num_fields):
            yield from _texts(column.field(place))
    elif pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_large_string(kind):
        for value in pc.unique(column).to_pylist():
            if value is not None:
                yield value.encode() if isinstance(value, str) else value
    elif pa.types.is_integer(kind):
        yield from (str(value).encode() for value in pc.unique(column).to_pylist())


def _decoded(content: bytes) -> Iterator[bytes]:
    for match in _BASE64.finditer(content):
        text = match[0][: len(match[0]) // 4 * 4]
        try:
            plain = base64.b64decode(text)
        except ValueError:
            continue
        yield plain
        if plain.startswith(b"\x1f\x8b"):
            try:
                yield gzip.decompress(plain)
            except (OSError, EOFError, zlib.error):
                continue
