"""Who is held out by chance: the same persons at any time and in any program, by a stable hash.

A person is held out when the first 64 bits of SHA-256 over ``seed:person_no`` are below the share
of all 64-bit numbers.
"""

from __future__ import annotations

import hashlib


def is_held_out(person_no: int, seed: str, share: float) -> bool:
    """Whether chance leaves the person out; ``share`` is between 0 and 1."""
    return hashlib.sha256(f"{seed}:{person_no}".encode()).hexdigest()[:16] < _border(share)


def held_out_sql(person_no: str, seed: str, share: float) -> str:
    """The same over a SQL expression of the number."""
    text = "'" + f"{seed}:".replace("'", "''") + "'"
    return f"substr(sha256({text} || CAST({person_no} AS VARCHAR)), 1, 16) < '{_border(share)}'"


def _border(share: float) -> str:
    return f"{min(int(share * 2**64), 2**64 - 1):016x}"
