"""Packs: many named blobs in one file, of which a reader takes one and leaves the others.

A pack is a mark, the blobs, a JSON index (what the pack is about; place, length and CRC-32 of each
blob), and a tail that says how long the index is. Loads neither DuckDB nor deltalake.
"""

from __future__ import annotations

import json
import mmap
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from schemas.errors import NotFoundError, StorageError

_MARK = b"GYPACK1\n"
_TAIL = struct.Struct("<QI8s")


def packed(about: Mapping[str, Any], blobs: Mapping[str, bytes]) -> bytes:
    """``blobs`` and what they are about (plain JSON) as the bytes of one file."""
    parts, places, at = [_MARK], {}, len(_MARK)
    for name, blob in blobs.items():
        places[name] = (at, len(blob), zlib.crc32(blob))
        parts.append(blob)
        at += len(blob)
    index = json.dumps({"about": about, "blobs": places}, separators=(",", ":")).encode()
    return b"".join([*parts, index, _TAIL.pack(len(index), zlib.crc32(index), _MARK)])


class Pack:
    """The pack in a file; blobs are read from a memory map, each held to its sum at first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                self._bytes = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except FileNotFoundError as error:
            raise NotFoundError(
                "there is no such pack", expected="a file", got="nothing", where=str(path),
            ) from error
        except (OSError, ValueError) as error:
            raise self._damaged(str(error)) from error
        index = self._index()
        self.about: dict[str, Any] = index["about"]
        self._places: dict[str, list[int]] = index["blobs"]
        self._trusted: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._places

    def blob(self, name: str) -> memoryview:
        """The bytes of a blob; StorageError when they are not those that were written."""
        at, length, total = self._places[name]
        found = self._bytes[at : at + length]
        if name not in self._trusted:
            if zlib.crc32(found) != total:
                raise self._damaged(f"other bytes in {name}")
            self._trusted.add(name)
        return found

    def _index(self) -> dict[str, Any]:
        end = len(self._bytes) - _TAIL.size
        if end < len(_MARK) or bytes(self._bytes[: len(_MARK)]) != _MARK:
            raise self._damaged("another beginning")
        length, total, mark = _TAIL.unpack(self._bytes[end:])
        index = self._bytes[max(end - length, 0) : end]
        if mark != _MARK or zlib.crc32(index) != total:
            raise self._damaged("another end")
        read: dict[str, Any] = json.loads(bytes(index))
        return read

    def _damaged(self, got: str) -> StorageError:
        return StorageError(
            "a pack is damaged", expected="the bytes that were published", got=got,
            where=str(self.path), todo="publish the date anew, or take another release",
        )
