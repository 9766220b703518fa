"""A quick look at edges, so that a file without a bad row needs no row by row refusal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from domain.identifiers import LONGEST


class UnsoundEdges(Exception):  # noqa: N818 - it is an outcome: the edges are then read with care
    """Some row has a NULL, an empty or long text or one with a NUL byte, or joins one to itself."""


def sound_edges(edges: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The batches as they are; UnsoundEdges at the first that has, or may have, a row to refuse.

    Texts are measured in bytes, so that one within ``LONGEST`` characters may be called long.
    """
    for batch in edges:
        if not _is_sound(batch):
            raise UnsoundEdges
        yield batch


def _is_sound(batch: pa.RecordBatch) -> bool:
    type_a, value_a, type_b, value_b = batch.columns
    if any(column.null_count for column in batch.columns):
        return False
    texts = [value_a, value_b]
    for types in (type_a, type_b):
        texts.append(types.dictionary if pa.types.is_dictionary(types.type) else types)
    if not all(_is_sound_text(text) for text in texts):
        return False
    same = pc.equal(value_a, value_b)
    return not (pc.any(same).as_py() and pc.any(pc.and_(same, pc.equal(type_a, type_b))).as_py())


def _is_sound_text(texts: pa.StringArray) -> bool:
    if texts.null_count:
        return False
    size = pc.min_max(pc.binary_length(texts))
    shortest, longest = size["min"].as_py(), size["max"].as_py()
    if shortest is None:
        return True
    data = np.frombuffer(texts.buffers()[2] or b"", np.uint8)
    return shortest > 0 and longest <= LONGEST and bool(data.all())
