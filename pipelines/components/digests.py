"""Hashes of Arrow strings, row by row and without a Python object each."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint32]
_SEPARATOR = "\x1f"
_HEX = np.frombuffer(bytes(range(256)).hex().encode(), np.uint16)
_ID_LENGTH = 25


def fingerprints(types: pa.DictionaryArray, values: pa.Array) -> tuple[npt.NDArray[Any], Words]:
    """64 + 32 bits of a hash of each (type, value): to compare with, not to keep."""
    from pipelines.components.texts import fingerprint, seeds

    prefixes = np.empty((len(types.dictionary), 2), np.uint64)
    seeds(*_buffers(types.dictionary), prefixes)
    keys, checks = np.empty(len(values), np.uint64), np.empty(len(values), np.uint32)
    fingerprint(prefixes, _kinds(types), *_buffers(values), keys, checks)
    return keys, checks


def identifier_keys(types: pa.DictionaryArray, values: pa.Array) -> Ints:
    """``domain.identifiers.identifier_key`` of each row, with an empty secret."""
    words = _sha256(*_joined(types, values))
    high = words[:, 0].astype(np.uint64) << np.uint64(32)
    return ((high | words[:, 1]) >> np.uint64(1)).view(np.int64)


def one_ids(keys: Ints) -> npt.NDArray[np.uint8]:
    """The one_id named by each key, as ASCII: (keys, 25).

    'p' and the first 24 hex digits of the SHA-256 over the key's decimal text.
    """
    words = _sha256(*_buffers(pc.cast(pa.array(keys), pa.string())))
    names = np.empty((len(keys), _ID_LENGTH), np.uint8)
    names[:, 0] = ord("p")
    digits = _HEX.take(words[:, :3].astype(">u4").view(np.uint8))
    names[:, 1:] = digits.view(np.uint8).reshape(len(keys), _ID_LENGTH - 1)
    return names


def strings(rows: npt.NDArray[np.uint8]) -> pa.Array:
    """ASCII texts of one length, (texts, length), as Arrow strings."""
    count, length = rows.shape
    offsets = np.arange(0, (count + 1) * length, length, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(rows))


def _joined(types: pa.DictionaryArray, values: pa.Array) -> tuple[Ints, npt.NDArray[np.uint8]]:
    """What each identifier_key is the hash of: separator, type, separator, value."""
    from pipelines.components.texts import join

    prefixes = _buffers(pc.binary_join_element_wise("", types.dictionary, "", _SEPARATOR))
    offsets, data = _buffers(values)
    kinds = _kinds(types)
    starts = np.zeros(len(values) + 1, np.int64)
    np.cumsum(np.diff(prefixes[0]).take(kinds) + np.diff(offsets), out=starts[1:])
    joined = np.empty(starts[-1] + 8, np.uint8)
    join(*prefixes, kinds, offsets, data, starts, joined)
    return starts, joined


def _sha256(offsets: npt.NDArray[Any], data: npt.NDArray[np.uint8]) -> Words:
    from pipelines.components.sha import sha256

    digests = np.empty((len(offsets) - 1, 8), np.uint32)
    sha256(offsets, data, digests)
    return digests


def _kinds(types: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    return np.asarray(types.indices.to_numpy(zero_copy_only=False), np.int32)


def _buffers(texts: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.uint8]]:
    _, offsets, data = texts.buffers()
    if not offsets:
        return np.zeros(1, np.int32), np.empty(0, np.uint8)
    held = np.frombuffer(offsets, np.int32, len(texts) + 1, 4 * texts.offset)
    return held, np.frombuffer(data or b"", np.uint8)
