"""Records of a topic as rows of ``landed_records``."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lake.topics import Record
from schemas.landed import LANDED_RECORDS

_DAY_MS = 86_400_000
_HEADERS = ("source", "schema", "version")


def rows_of(topic: str, records: Sequence[Record], now_ms: int) -> dict[str, pa.Table]:
    """Tables of ``LANDED_RECORDS`` by UTC day of receipt, in the order of ``records``.

    A time after ``now_ms``, or none, is a wrong clock's: such a record was received now.
    """
    partitions, offsets, keys, values, times, headers = zip(*records, strict=True)
    at = np.asarray(times, np.int64)
    at = np.where((at > now_ms) | (at < 0), now_ms, at)
    text, other = _text(values)
    days = at // _DAY_MS
    columns = {
        "topic": _repeated(topic, len(records)),
        "partition": pa.array(partitions, pa.int32()),
        "offset": pa.array(offsets, pa.int64()),
        "key": _keys(keys),
        **_said(headers),
        "received_at": pa.array(at * 1000).cast(pa.timestamp("us", tz="UTC")),
        "received_on": pa.array(days.astype(np.int32)).cast(pa.date32()),
        "value": text,
        "value_base64": other,
    }
    whole = pa.table(columns, schema=LANDED_RECORDS.schema)
    found = {}
    for day in np.unique(days):
        d = str(np.datetime64(int(day), "D"))
        found[d] = whole if (days == day).all() else whole.filter(pa.array(days == day))
    return found


def _text(values: Sequence[bytes | None]) -> tuple[pa.Array, pa.Array]:
    """As text, and what is none in base64."""
    try:
        text = pa.array(values, pa.binary()).cast(pa.string())
        return text, pa.nulls(len(values), pa.string())
    except pa.ArrowInvalid:
        pass
    decoded = [_decoded(value) for value in values]
    pairs = zip(values, decoded, strict=True)
    other = [base64.b64encode(v).decode() if v is not None and t is None else None
             for v, t in pairs]
    return pa.array(decoded, pa.string()), pa.array(other, pa.string())


def _decoded(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return None


def _keys(keys: Sequence[bytes | None]) -> pa.Array:
    try:
        return pa.array(keys, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        told = [None if key is None else key.decode(errors="backslashreplace") for key in keys]
        return pa.array(told, pa.string())


def _said(headers: Sequence[tuple[tuple[str, bytes], ...]]) -> dict[str, pa.Array]:
    """The columns of ``_HEADERS``; most often all records say the same."""
    seen = {one: dict(one) for one in set(headers)}
    if len(seen) == 1:
        ((only,),) = (seen.values(),)
        return {name: _repeated(_told(only.get(name)), len(headers)) for name in _HEADERS}
    return {
        name: pa.array([_told(seen[one].get(name)) for one in headers], pa.string())
        for name in _HEADERS
    }


def _told(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="backslashreplace")


def _repeated(value: str | None, length: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.string()), length)
