"""Lines of landed files are blanked, so that a rebuild from raw finds nothing of an erased person.

A blanked line stays as an empty one, which is no row, so that the places of all others hold. The
manifest tells the new size and sum, and how many rows were blanked. Fresh files lie beside the old
ones until a fresh manifest stands; from then on a run that comes later ends the exchange.
"""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from lake import crash, locks
from lake.landing import LOCK_WAIT_S, Delivery, Landing
from lake.lines import OpenFile, unpacked

_FRESH = ".erasing"
_GZIP = b"\x1f\x8b"
_GZIP_TAIL = 8


def text_of(content: bytes) -> bytes:
    """The bytes of a landed file with gzip undone; what is damaged ends where it is."""
    return _opened(content)[0]


def line_end(content: bytes) -> bytes:
    """What ends the lines of a text: a carriage return alone where there is nothing else."""
    return b"\n" if b"\n" in content else b"\r"


def blanked(content: bytes, lines: Collection[int]) -> tuple[bytes, int]:
    """``content`` with ``lines`` (from 1) blank, and how many of them were not before.

    A file that had lost its end has lost it still.
    """
    text, ending = _opened(content)
    end = line_end(text)
    parts = text.split(end)
    count = 0
    for number in lines:
        if number <= len(parts) and parts[number - 1].strip():
            # A last line without its end is a sign of a cut file, which stays.
            parts[number - 1] = b" " if number == len(parts) else b""
            count += 1
    fresh = end.join(parts)
    if ending == "unreadable":
        return fresh, count
    packed = gzip.compress(fresh, mtime=0) if content.startswith(_GZIP) else fresh
    return (packed[:-_GZIP_TAIL] if ending == "gzip_cut" else packed), count


def redact(landing: Landing, lines: Mapping[str, Collection[int]]) -> list[Delivery]:
    """Blank ``lines`` by file and return the deliveries that changed.

    May be called again after a crash at any point; BusyError when another delivery goes on.
    """
    with locks.exclusive(landing.root, "landing", wait_s=LOCK_WAIT_S):
        mend(landing)
        known = landing.deliveries()
        changed: dict[str, Delivery] = {}
        for delivery in known:
            if delivery.file in lines:
                fresh, count = blanked(landing.read(delivery), lines[delivery.file])
                if count:
                    changed[delivery.file] = _beside(landing, delivery, fresh, count)
        if changed:
            crash.point("erase.before_manifest")
            listed = [changed.get(one.file, one) for one in _as_listed(landing)]
            _durable(
                _fresh(landing.manifest),
                b"".join(msgspec.json.encode(one) + b"\n" for one in listed),
            )
            mend(landing)
    return list(changed.values())


def settle(landing: Landing) -> None:
    """End an exchange that a crash left half done, if there is one."""
    if _fresh(landing.manifest).exists():
        with locks.exclusive(landing.root, "landing", wait_s=LOCK_WAIT_S):
            mend(landing)


def mend(landing: Landing) -> None:
    """End an exchange that a crash left half done; the caller holds the landing's lock."""
    manifest = _fresh(landing.manifest)
    if not manifest.exists():
        return
    for line in manifest.read_bytes().splitlines():
        delivery = msgspec.json.decode(line, type=Delivery)
        path = landing.root / delivery.file
        fresh = _fresh(path)
        if fresh.exists():
            os.replace(fresh, path)
            _sync(path.parent)
            crash.point("erase.between_files")
    os.replace(manifest, landing.manifest)
    _sync(landing.root)


def _opened(content: bytes) -> tuple[bytes, str]:
    if not content.startswith(_GZIP):
        return content, "whole"
    file = OpenFile(0, content, is_gzip=True)
    text = unpacked(file)
    return (content, file.ending) if file.ending == "unreadable" else (text, file.ending)


def _beside(landing: Landing, delivery: Delivery, content: bytes, count: int) -> Delivery:
    _durable(_fresh(landing.root / delivery.file), content)
    return msgspec.structs.replace(
        delivery, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(),
        count_erased=delivery.count_erased + count,
    )


def _as_listed(landing: Landing) -> list[Delivery]:
    """In the order of the manifest."""
    lines = landing.manifest.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Delivery) for line in lines if line]


def _fresh(path: Path) -> Path:
    return path.with_name(path.name + _FRESH)


def _durable(path: Path, content: bytes) -> None:
    with open(path, "wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    _sync(path.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
