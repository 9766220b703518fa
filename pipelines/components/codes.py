"""Dense codes for 64-bit keys: an open-addressing hash table that grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.integer[Any]]
Ints = npt.NDArray[np.int64]
CHUNK = 1 << 18
_FULLEST = 0.7
_MOST = 2**32 - 2


class KeyCodes:
    """Codes 0 … n - 1 in the order in which keys first appear; 16 bytes a slot, 70 % full at most.

    While it doubles, old and new table are held. At most 2³² - 2 keys.
    """

    def __init__(self) -> None:
        self._slots = np.zeros((1024, 2), np.uint64)
        self._count = 0
        self._homes = np.empty((0, 2), np.uint64)

    def __len__(self) -> int:
        return self._count

    def encode(
        self, keys: Keys, checks: npt.NDArray[np.uint32] | None = None
    ) -> tuple[Ints, Ints]:
        """The code of each key, and the places in ``keys`` of those never seen before, in order.

        ``keys`` are 64-bit integers; ``checks``, where given, are 32 bits more of each.
        """
        codes, new = np.empty(len(keys), np.int64), [np.empty(0, np.int64)]
        for start in range(0, len(keys), CHUNK):
            part = slice(start, start + CHUNK)
            some = np.zeros(1, np.uint32) if checks is None else checks[part]
            new.append(start + self._take(keys[part].view(np.uint64), some, codes[part]))
        return codes, np.concatenate(new)

    def _take(self, keys: Keys, checks: npt.NDArray[np.uint32], codes: Ints) -> Ints:
        from pipelines.components.kernels import BLOCK, encode

        self._make_room(self._count + len(keys))
        if len(self._homes) == 0:
            self._homes = np.empty((BLOCK, 2), np.uint64)
        new, before = np.empty(len(keys), np.int64), self._count
        checks = np.broadcast_to(checks, keys.shape)
        self._count = encode(self._slots, keys, checks, codes, new, before, self._homes)
        return new[: self._count - before]

    def _make_room(self, count: int) -> None:
        from pipelines.components.kernels import rehash

        if count > _MOST:
            raise ValueError(f"expected at most {_MOST} keys, got {count}")
        size = len(self._slots)
        while count > _FULLEST * size:
            size *= 2
        if size > len(self._slots):
            larger = np.zeros((size, 2), np.uint64)
            rehash(self._slots, larger)
            self._slots = larger
