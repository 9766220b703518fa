"""Lines of landed files are blanked, so that a rebuild from raw finds nothing of an erased person.

A blanked line stays as an empty one, which is no row, so that the places of all others hold. The
manifest tells the new size and sum, and how many rows were blanked.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from lake import crash, exchange, locks
from lake.landing import LOCK_WAIT_S, Delivery, Landing
from lake.lines import OpenFile, unpacked

_GZIP = b"\x1f\x8b"
_GZIP_TAIL = 8
MASK = b"***"
"""Stands where a person's value stood on a row of somebody else's."""


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
    fresh, count, _ = _redacted(content, lines, (), None)
    return fresh, count


def _redacted(
    content: bytes, lines: Collection[int], masked: Collection[int],
    pattern: re.Pattern[bytes] | None,
) -> tuple[bytes, int, bool]:
    """The fresh bytes, how many lines became blank, and whether anything changed."""
    text, ending = _opened(content)
    end = line_end(text)
    parts = text.split(end)
    count = 0
    for number in masked if pattern is not None else ():
        assert pattern is not None
        parts[number - 1] = pattern.sub(MASK, parts[number - 1])
    for number in lines:
        if number <= len(parts) and parts[number - 1].strip():
            # A last line without its end is a sign of a cut file, which stays.
            parts[number - 1] = b" " if number == len(parts) else b""
            count += 1
    fresh = end.join(parts)
    is_changed = fresh != text
    if not is_changed:
        return content, 0, False
    if ending == "unreadable":
        return fresh, count, True
    packed = gzip.compress(fresh, mtime=0) if content.startswith(_GZIP) else fresh
    return (packed[:-_GZIP_TAIL] if ending == "gzip_cut" else packed), count, True


@dataclass(frozen=True, slots=True)
class Mask:
    """Lines, by file, in which only what ``pattern`` finds is put out."""

    lines: Mapping[str, Collection[int]]
    pattern: re.Pattern[bytes]


def redact(
    landing: Landing, lines: Mapping[str, Collection[int]], mask: Mask | None = None
) -> list[Delivery]:
    """Blank ``lines`` by file, put out what a ``mask`` says; returns the deliveries that changed.

    May be called again after a crash at any point; BusyError when another delivery goes on.
    """
    with locks.exclusive(landing.root, "landing", wait_s=LOCK_WAIT_S):
        exchange.mend(landing.root, landing.manifest)
        changed: dict[str, Delivery] = {}
        for delivery in landing.deliveries():
            # What waits without a fresh manifest is of a run that was killed before it stood.
            exchange.beside(landing.root / delivery.file).unlink(missing_ok=True)
            masked = mask.lines.get(delivery.file, ()) if mask else ()
            if masked or delivery.file in lines:
                content = landing.read(delivery)
                pattern = mask.pattern if mask else None
                chosen = lines.get(delivery.file, ())
                fresh, count, is_changed = _redacted(content, chosen, masked, pattern)
                if is_changed:
                    changed[delivery.file] = _beside(landing, delivery, fresh, count)
        if changed:
            crash.point("erase.before_manifest")
            listed = [changed.get(one.file, one) for one in _as_listed(landing)]
            told = b"".join(msgspec.json.encode(one) + b"\n" for one in listed)
            exchange.write(landing.manifest, told)
            exchange.mend(landing.root, landing.manifest)
    return list(changed.values())


def settle(landing: Landing) -> None:
    """End an exchange that a crash left half done, if there is one."""
    if exchange.beside(landing.manifest).exists():
        with locks.exclusive(landing.root, "landing", wait_s=LOCK_WAIT_S):
            exchange.mend(landing.root, landing.manifest)


def _opened(content: bytes) -> tuple[bytes, str]:
    if not content.startswith(_GZIP):
        return content, "whole"
    file = OpenFile(0, content, is_gzip=True)
    text = unpacked(file)
    return (content, file.ending) if file.ending == "unreadable" else (text, file.ending)


def _beside(landing: Landing, delivery: Delivery, content: bytes, count: int) -> Delivery:
    exchange.write(landing.root / delivery.file, content)
    return msgspec.structs.replace(
        delivery, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest(),
        count_erased=delivery.count_erased + count,
    )


def _as_listed(landing: Landing) -> list[Delivery]:
    """In the order of the manifest."""
    lines = landing.manifest.read_bytes().split(b"\n")[:-1]
    return [msgspec.json.decode(line, type=Delivery) for line in lines if line]
