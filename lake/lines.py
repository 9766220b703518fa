"""Delivered bytes as batches of physical lines: gzip undone, text decoded, nothing lost.

Line ends are found with numpy; raw bytes and text are Arrow arrays over the delivered buffer.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Ending = Literal["whole", "no_newline", "gzip_cut", "unreadable"]

BATCH_BYTES = 64 << 20
SCHEMA = pa.schema(
    [
        pa.field("file_no", pa.int32()),
        pa.field("line", pa.int64()),
        pa.field("raw", pa.binary()),
        pa.field("text", pa.string()),
        pa.field("cut", pa.string()),
    ]
)
"""``text`` is NULL where the bytes are not of the encoding; it and ``raw`` keep their line end,
which a cut line gains. ``cut`` says why a last line has none: ``no_newline`` or ``gzip_cut``."""

_NEWLINE, _RETURN, _SPACE = 10, 13, 32
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class OpenFile:
    """One file on its way; what is found in it is written here while it is read."""

    number: int
    content: Any
    """bytes, a mapped file, or a binary file to read from."""
    is_gzip: bool = False
    header: bytes | None = None
    """First line without its end, where the format has a header."""
    count_rows: int = 0
    """Lines that are neither header nor blank."""
    ending: Ending = "whole"
    next_line: int = 1
    is_line_cut: bool = False
    """The last row has no end."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Whole lines of one file."""

    file: OpenFile
    block: Any
    is_cut: bool = False


def batches(
    files: Iterable[OpenFile], encoding: str, has_header: bool, size: int = BATCH_BYTES
) -> Iterator[pa.Table]:
    """Tables of ``SCHEMA`` of about ``size`` bytes, lines of many small files together.

    Blank lines and headers are no rows. Lines are numbered from 1 as the file has them.
    """
    waiting: list[_Piece] = []
    total = 0
    for file in files:
        for piece in _pieces(file, has_header, size):
            waiting.append(piece)
            total += len(piece.block)
            if total >= size:
                yield _table(waiting, encoding)
                waiting, total = [], 0
    if waiting:
        yield _table(waiting, encoding)


def _pieces(file: OpenFile, has_header: bool, size: int) -> Iterator[_Piece]:
    is_start = True
    blocks = _unpacked(file, size) if file.is_gzip else _blocks(file.content, size)
    for block, is_last in blocks:
        is_cut = is_last and len(block) > 0 and block[len(block) - 1] != _NEWLINE
        if is_cut and file.ending == "whole":
            file.ending = "no_newline"
        if is_start and block[:3] == _BOM:
            block = block[3:]
        if is_start and has_header:
            end = bytes(block).find(b"\n") + 1 or len(block)
            file.header = bytes(block[:end]).rstrip(b"\r\n")
            block, file.next_line = block[end:], 2
        is_start = False
        if len(block):
            file.is_line_cut = is_cut
            yield _Piece(file, bytes(block) + b"\n" if is_cut else block, is_cut)


def _blocks(content: Any, size: int) -> Iterator[tuple[Any, bool]]:
    """Cut ``content`` after line ends into blocks of about ``size`` bytes."""
    if hasattr(content, "readinto"):
        yield from _streamed(content, size)
        return
    start, length = 0, len(content)
    if length <= size:
        yield content, True
        return
    view = memoryview(content)
    while start < length:
        end = min(start + size, length)
        if end < length:
            found = content.rfind(b"\n", start, end)
            end = (found if found >= 0 else content.find(b"\n", end)) + 1 or length
        yield view[start:end], end == length
        start = end


def _streamed(content: Any, size: int) -> Iterator[tuple[Any, bool]]:
    rest = b""
    while True:
        buffer = bytearray(len(rest) + size)
        view = memoryview(buffer)
        view[: len(rest)] = rest
        count = len(rest) + content.readinto(view[len(rest) :])
        if count == len(rest):
            yield rest, True
            return
        end = buffer.rfind(b"\n", 0, count) + 1
        rest = bytes(view[end:count])
        if end:
            yield view[:end], False


def _unpacked(file: OpenFile, size: int) -> Iterator[tuple[bytes, bool]]:
    rest = b""
    for block in _inflate(file, size):
        whole = rest + block
        end = whole.rfind(b"\n") + 1
        rest = whole[end:]
        if end >= size:
            yield whole[:end], False
        else:
            rest = whole
    if rest or file.ending == "whole":
        yield rest, True


def unpacked(file: OpenFile) -> bytes:
    """The text of a gzip file as far as it can be read; how it ended is noted on it."""
    return b"".join(_inflate(file, BATCH_BYTES))


def _inflate(file: OpenFile, size: int) -> Iterator[bytes]:
    """The decompressed bytes of every member; a damaged end is noted on the file."""
    whole = file.content.read() if hasattr(file.content, "readinto") else file.content
    data = bytes(whole)
    is_first = True
    while data:
        member = zlib.decompressobj(wbits=31)
        try:
            while not member.eof:
                block = member.decompress(data, size)
                data = member.unconsumed_tail
                if block:
                    is_first = False
                    yield block
                elif not data:
                    break
        except zlib.error:
            file.ending = "unreadable" if is_first else "gzip_cut"
            return
        if not member.eof:
            file.ending = "gzip_cut"
            return
        data = member.unused_data.lstrip(b"\0")


def _table(pieces: list[_Piece], encoding: str) -> pa.Table:
    raw = pieces[0].block if len(pieces) == 1 else b"".join(piece.block for piece in pieces)
    data = np.frombuffer(raw, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE) + 1
    sizes = np.array([len(piece.block) for piece in pieces])
    first = np.searchsorted(ends, np.cumsum(sizes) - sizes, side="right")
    counts = np.diff(np.append(first, len(ends)))
    is_row = ~_blank(data, ends)
    rows = np.add.reduceat(is_row, first, dtype=np.int64)
    starts = []
    for piece, count, count_rows in zip(pieces, counts, rows, strict=True):
        starts.append(piece.file.next_line)
        piece.file.next_line += int(count)
        piece.file.count_rows += int(count_rows)
    buffer = pa.py_buffer(raw)
    table = pa.Table.from_arrays(
        [
            _numbers(np.repeat([piece.file.number for piece in pieces], counts), pa.int32()),
            _numbers(np.arange(len(ends)) + np.repeat(starts - first, counts), pa.int64()),
            _array(pa.binary(), buffer, ends),
            _text(buffer, ends, pieces, encoding),
            _cut(pieces, counts),
        ],
        schema=SCHEMA,
    )
    return table if is_row.all() else table.filter(_flags(is_row))


def _numbers(values: Any, kind: pa.DataType) -> pa.Array:
    """An Arrow array over numpy's memory; ``pa.array`` would load pandas, which takes a second."""
    data = np.ascontiguousarray(values, kind.to_pandas_dtype())
    return pa.Array.from_buffers(kind, len(data), [None, pa.py_buffer(data)])


def _flags(values: Any) -> pa.Array:
    bits = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, bits])


def _cut(pieces: list[_Piece], counts: Any) -> pa.Array:
    marks = [
        (int(last) - 1, piece.file.ending)
        for piece, last in zip(pieces, np.cumsum(counts), strict=True)
        if piece.is_cut
    ]
    whole = pa.nulls(int(counts.sum()), pa.string())
    if not marks:
        return whole
    mask = np.zeros(len(whole), bool)
    mask[[place for place, _ in marks]] = True
    return pc.replace_with_mask(whole, _flags(mask), pa.array([ending for _, ending in marks]))


def _array(kind: pa.DataType, data: pa.Buffer, ends: Any, valid: Any = None) -> pa.Array:
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends
    bitmap = None
    if valid is not None:
        bitmap = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(kind, len(ends), [bitmap, pa.py_buffer(offsets), data])


def _text(data: pa.Buffer, ends: Any, pieces: list[_Piece], encoding: str) -> pa.Array:
    if encoding == "utf-8":
        text = _array(pa.string(), data, ends)
        bad = list(_undecodable(text, 0, len(ends)))
        if not bad:
            return text
        return _array(pa.string(), data, ends, _all_but(bad, len(ends)))
    decoded: list[bytes] = []
    bad = []
    for piece in pieces:
        block, wrong = _decoded(bytes(piece.block), encoding)
        start = sum(one.count(b"\n") for one in decoded) if wrong else 0
        bad += [start + number for number in wrong]
        decoded.append(block)
    utf8 = b"".join(decoded)
    fresh = np.flatnonzero(np.frombuffer(utf8, np.uint8) == _NEWLINE) + 1
    return _array(pa.string(), pa.py_buffer(utf8), fresh, _all_but(bad, len(fresh)))


def _all_but(bad: list[int], length: int) -> Any:
    valid = np.ones(length, bool)
    valid[bad] = False
    return valid


def _undecodable(text: pa.Array, start: int, length: int) -> Iterator[int]:
    """Numbers of the lines that are not UTF-8, found by halving."""
    try:
        text.slice(start, length).validate(full=True)
    except pa.ArrowInvalid:
        if length == 1:
            yield start
            return
        half = length // 2
        yield from _undecodable(text, start, half)
        yield from _undecodable(text, start + half, length - half)


def _decoded(block: bytes, encoding: str) -> tuple[bytes, list[int]]:
    """``block`` in UTF-8, and the numbers of the lines that were left blank as undecodable."""
    try:
        return block.decode(encoding).encode(), []
    except UnicodeDecodeError:
        pass
    lines, bad = block.split(b"\n")[:-1], []
    for number, line in enumerate(lines):
        try:
            lines[number] = line.decode(encoding).encode()
        except UnicodeDecodeError:
            lines[number] = b""
            bad.append(number)
    return b"".join(line + b"\n" for line in lines), bad


def _blank(data: Any, ends: Any) -> Any:
    """Which lines hold nothing but white space; a look at their first byte spares most."""
    starts = np.concatenate(([0], ends[:-1]))
    blank = np.zeros(len(ends), bool)
    for number in np.flatnonzero(data[starts] <= _SPACE):
        blank[number] = not data[starts[number] : ends[number]].tobytes().strip()
    return blank
