"""Text columns from numpy arrays, without a Python object per row."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

DAY_MS = 86_400_000
# Clocks may be years off, so the table of days reaches well beyond the year on both sides.
FIRST_TABLE_DAY = np.datetime64("1990-01-01")
LAST_TABLE_DAY = np.datetime64("2045-01-01")
HEX = np.frombuffer(b"0123456789abcdef", dtype=np.uint8)


def scatter(numbers: np.ndarray, salt: int) -> np.ndarray:
    """Return distinct 64-bit numbers for distinct numbers (the finalizer of splitmix64)."""
    offset = np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    mixed = numbers.astype(np.uint64) + offset
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)


def fixed_text(cells: np.ndarray) -> pa.Array:
    """Return strings of one width from rows of ASCII bytes."""
    count, width = cells.shape
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    data = pa.py_buffer(np.ascontiguousarray(cells))
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), data)


def hex_text(numbers: np.ndarray) -> pa.Array:
    """Return 16 hexadecimal digits per 64-bit number."""
    octets = numbers.astype(">u8").view(np.uint8).reshape(-1, 8)
    cells = np.empty((len(numbers), 16), dtype=np.uint8)
    cells[:, 0::2], cells[:, 1::2] = HEX[octets >> 4], HEX[octets & 15]
    return fixed_text(cells)


def digit_text(numbers: np.ndarray, width: int) -> pa.Array:
    """Return decimal digits, padded with zeros to a width."""
    return fixed_text(_digits(numbers, width))


def _digits(numbers: np.ndarray, width: int) -> np.ndarray:
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (numbers[:, None] // powers % 10 + 48).astype(np.uint8)


class Stamps:
    """ISO 8601 UTC texts with milliseconds from tables of days, seconds and milliseconds."""

    def __init__(self) -> None:
        """Fill the tables."""
        days = np.arange(FIRST_TABLE_DAY, LAST_TABLE_DAY)
        self.first = int(FIRST_TABLE_DAY.astype(np.int64))
        texts = days.astype("S10").view(np.uint8).reshape(-1, 10)
        self.days = np.c_[texts, np.full(len(texts), ord("T"), np.uint8)]
        seconds = np.arange(86_400)
        clock = [_digits(part, 2) for part in (seconds // 3600, seconds // 60 % 60, seconds % 60)]
        colon = np.full((86_400, 1), ord(":"), np.uint8)
        self.seconds = np.hstack([clock[0], colon, clock[1], colon, clock[2]])
        dot, zone = (np.full((1000, 1), ord(sign), np.uint8) for sign in ".Z")
        self.rest = np.hstack([dot, _digits(np.arange(1000), 3), zone])

    def text(self, milliseconds: np.ndarray) -> pa.Array:
        """Return the texts of epoch milliseconds."""
        cells = np.empty((len(milliseconds), 24), dtype=np.uint8)
        cells[:, :11] = self.days[milliseconds // DAY_MS - self.first]
        cells[:, 11:19] = self.seconds[milliseconds // 1000 % 86_400]
        cells[:, 19:] = self.rest[milliseconds % 1000]
        return fixed_text(cells)
