"""How a record lies in a segment: sum, sizes, time, key, value, headers.

Offsets are not written: the first record of a segment has the offset that the file is named by,
and each next one is one more. The sum covers all that follows it.
"""

from __future__ import annotations

import struct
import zlib

from lake.topics.record import Fresh, Headers, Record

_HEAD = struct.Struct("<IiiIq")
"""Sum, size of key, of value (-1: there is none), of headers, time in milliseconds."""
_SIZE = struct.Struct("<I")
HEAD = _HEAD.size
_BODY_FROM = 4
LONGEST = 64 << 20
"""Bytes of a frame; a larger size can only be damage."""

_known: dict[bytes, Headers] = {}
_packed: dict[Headers, bytes] = {}
"""Headers seen, both ways; records of one source have the same ones."""
_MOST_KNOWN = 1_000


def packed(record: Fresh) -> bytes:
    """The frame of a record."""
    key, value, at, headers = record
    block = _packed.get(headers)
    if block is None:
        block = packed_headers(headers)
    head = _HEAD.pack(0, len(key), -1 if value is None else len(value), len(block), at)
    body = b"".join((head[_BODY_FROM:], key, value or b"", block))
    return _SIZE.pack(zlib.crc32(body)) + body


def packed_headers(headers: Headers) -> bytes:
    """Names and values, each after its size."""
    parts = []
    for name, value in headers:
        for part in (name.encode(), value):
            parts += [_SIZE.pack(len(part)), part]
    block = b"".join(parts)
    if len(_packed) < _MOST_KNOWN:
        _packed[headers] = block
    return block


def unpacked_headers(block: bytes) -> Headers:
    """What ``packed_headers`` has packed; the same object for the same bytes."""
    if block in _known:
        return _known[block]
    parts: list[bytes] = []
    at = 0
    while at < len(block):
        (size,) = _SIZE.unpack_from(block, at)
        at += _SIZE.size + size
        parts.append(block[at - size : at])
    pairs = zip(parts[::2], parts[1::2], strict=True)
    found: Headers = tuple((name.decode(), value) for name, value in pairs)
    if len(_known) < _MOST_KNOWN:
        _known[block] = found
    return found


def records(
    block: bytes, partition: int, offset: int, most: int
) -> tuple[list[Record], int]:
    """Up to ``most`` records from the start of ``block``, the first of ``offset``; their bytes.

    Ends before a frame that is not whole, or whose sum does not hold.
    """
    found: list[Record] = []
    at, end = 0, len(block)
    view, unpack, crc32, known = memoryview(block), _HEAD.unpack_from, zlib.crc32, _known
    for number in range(offset, offset + most):
        key_at = at + HEAD
        if key_at > end:
            break
        told, key_size, value_size, headers_size, time = unpack(block, at)
        value_at = key_at + key_size if key_size > 0 else key_at
        headers_at = value_at + value_size if value_size > 0 else value_at
        stop = headers_at + headers_size
        if stop > end or crc32(view[at + _BODY_FROM : stop]) != told:
            break
        packed_last = block[headers_at:stop]
        headers = known.get(packed_last)
        found.append(
            Record(
                partition, number, block[key_at:value_at],
                block[value_at:headers_at] if value_size >= 0 else None,
                time, unpacked_headers(packed_last) if headers is None else headers,
            )
        )
        at = stop
    return found, at


def size_of(record: Record) -> int:
    """Bytes of the frame that ``record`` was read from."""
    return HEAD + len(record.key or b"") + len(record.value or b"") + len(
        packed_headers(record.headers)
    )


def size_of_next(block: bytes) -> int:
    """Bytes of the frame that ``block`` begins with, as far as its head tells; at least a head."""
    if len(block) < HEAD:
        return HEAD
    _, key_size, value_size, headers_size, _ = _HEAD.unpack_from(block, 0)
    size = HEAD + sum(max(int(one), 0) for one in (key_size, value_size, headers_size))
    return size if size <= LONGEST else HEAD

