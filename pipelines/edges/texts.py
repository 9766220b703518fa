"""Texts on disk, one after the other, read back in any order and without a Python object each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Array = npt.NDArray[Any]


def buffers(texts: pa.Array) -> tuple[npt.NDArray[np.int32], Bytes]:
    """Offsets, one more than there are texts, and bytes of an array of strings."""
    _, offsets, data = texts.buffers()
    if not offsets:
        return np.zeros(1, np.int32), np.empty(0, np.uint8)
    held = np.frombuffer(offsets, np.int32, len(texts) + 1, 4 * texts.offset)
    return held, np.frombuffer(data or b"", np.uint8)


class Writing:
    """Takes texts in, numbered from 0 as they come."""

    def __init__(self, path: Path) -> None:
        self._path, self._file = path, path.open("wb")
        self._sizes: list[npt.NDArray[np.int32]] = [np.empty(0, np.int32)]

    def add(self, texts: pa.StringArray) -> None:
        """Keep ``texts``, none of which is NULL."""
        offsets, data = buffers(texts)
        self._file.write(data[int(offsets[0]) : int(offsets[-1])].data)
        self._sizes.append(np.diff(offsets))

    def close(self) -> None:
        """Nothing may be added any more."""
        self._file.close()

    def done(self) -> Texts:
        """All texts; nothing may be added any more."""
        self.close()
        sizes = np.concatenate(self._sizes)
        starts = np.zeros(len(sizes), np.int64)
        np.cumsum(sizes[:-1], out=starts[1:])
        data: Bytes = np.zeros(1, np.uint8)
        if self._path.stat().st_size:
            data = np.memmap(self._path, np.uint8, "r").view(np.ndarray)
        return Texts(data, starts, sizes)


class Texts:
    """Texts by number; 12 bytes of memory each, the rest stays on disk."""

    def __init__(self, data: Bytes, starts: Ints, sizes: npt.NDArray[np.int32]) -> None:
        self.data, self.starts, self.sizes = data, starts, sizes

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, places: Array) -> pa.StringArray:
        """The texts at ``places`` as Arrow strings; less than 2 GiB in all."""
        from pipelines.edges.kernels import gather

        offsets = np.zeros(len(places) + 1, np.int64)
        np.cumsum(self.sizes[places], out=offsets[1:])
        out = np.empty(max(1, int(offsets[-1])), np.uint8)
        gather(self.data, self.starts, places, offsets, out)
        held = offsets.astype(np.int32)
        return pa.StringArray.from_buffers(len(places), pa.py_buffer(held), pa.py_buffer(out))

    def first_difference(self, kinds: Array, one: Array, other: Array) -> int:
        """The least i where one[i] and other[i] differ in kind or text; -1 without any."""
        from pipelines.edges.kernels import first_difference

        return first_difference(self.data, self.starts, self.sizes, kinds, one, other)
