"""SHA-256 of many texts at once: a vector's lane for each, as straight code made here for LLVM."""

from __future__ import annotations

from collections.abc import Callable
from math import isqrt
from typing import Any, cast

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pipelines.components.kernels import HALF, LOW
from pipelines.components.machine import Array, compiled, word_at
from pipelines.components.texts import word_of

LANES = 16
"""Texts whose SHA-256 is made side by side, one in each lane of the vector unit."""


def _cube_root(number: int) -> int:
    root = round(number ** (1 / 3))
    while root**3 > number:
        root -= 1
    while (root + 1) ** 3 <= number:
        root += 1
    return int(root)


_PRIMES = [n for n in range(2, 312) if all(n % below for below in range(2, n))]
# FIPS 180-4: 32 bits of the fractions of the primes' square roots and cube roots.
_START = np.array([isqrt(prime << 64) & 0xFFFFFFFF for prime in _PRIMES[:8]], np.uint32)
_ROUND = [_cube_root(prime << 96) & 0xFFFFFFFF for prime in _PRIMES]


@compiled
def sha256(offsets: Array, data: Array, digests: Array) -> None:
    """Write the SHA-256 of each text as eight words (FIPS 180-4): ``digests`` is (texts, 8)."""
    state, words = np.empty((8, LANES), np.uint32), np.zeros((16, LANES), np.uint32)
    for first in range(0, len(offsets) - 1, LANES):
        lanes = min(LANES, len(offsets) - 1 - first)
        blocks = 0
        for lane in range(lanes):
            size = offsets[first + lane + 1] - offsets[first + lane]
            blocks = max(blocks, (size + 72) // 64)
            for word in range(8):
                state[word, lane] = _START[word]
        for block in range(blocks):
            for lane in range(lanes):
                start, stop = offsets[first + lane], offsets[first + lane + 1]
                _fill(words, lane, data, start, stop, block)
            _compress(state, words)
            for lane in range(lanes):
                size = offsets[first + lane + 1] - offsets[first + lane]
                if block + 1 == (size + 72) // 64:
                    for word in range(8):
                        digests[first + lane, word] = state[word, lane]


@compiled
def _fill(words: Array, lane: int, data: Array, start: int, stop: int, block: int) -> None:
    """Lay block ``block`` of a padded text into its lane, as sixteen little-endian words."""
    at, end = np.uint64(start + 64 * block), np.uint64(stop)
    for place in range(0, 16, 2):
        word = np.uint64(0)
        if at + np.uint64(8) <= end:
            word = np.uint64(word_at(data, at))
        elif at <= end:
            word = np.uint64(0x80) << (np.uint64(8) * (end - at))
            if at < end:
                word |= word_of(data, at, end)
        words[place, lane], words[place + 1, lane] = word & LOW, word >> HALF
        at += np.uint64(8)
    if at >= end + np.uint64(9):
        bits = np.uint64(8) * np.uint64(stop - start)
        words[14, lane], words[15, lane] = _swapped(bits >> HALF), _swapped(bits)


@compiled
def _swapped(word: np.uint64) -> np.uint64:
    swapped = np.uint64(0)
    for _ in range(4):
        swapped = (swapped << np.uint64(8)) | (word & np.uint64(0xFF))
        word >>= np.uint64(8)
    return swapped


def _compression(context: Any, state: Any, words: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        lanes = ir.VectorType(ir.IntType(32), LANES)
        starts = [
            builder.bitcast(
                context.make_array(kind)(context, builder, value).data, lanes.as_pointer()
            )
            for kind, value in zip(signature.args, values, strict=True)
        ]
        places = [builder.gep(starts[0], [ir.Constant(ir.IntType(64), i)]) for i in range(8)]
        inputs = [builder.gep(starts[1], [ir.Constant(ir.IntType(64), i)]) for i in range(16)]
        before = [builder.load(place, align=4) for place in places]
        words = [_big_endian(builder, builder.load(place, align=4)) for place in inputs]
        after = _rounds(builder, before, words)
        for place, old, new in zip(places, before, after, strict=True):
            builder.store(builder.add(old, new), place, align=4)
        return context.get_dummy_value()

    return types.void(state, words), code


def _big_endian(builder: Any, word: Any) -> Any:
    def moved(by: int, mask: int) -> Any:
        move = builder.shl if by > 0 else builder.lshr
        masks = ir.Constant(word.type, [mask] * LANES)
        return builder.and_(move(word, ir.Constant(word.type, [abs(by)] * LANES)), masks)

    outer = builder.or_(moved(24, 0xFF000000), moved(-24, 0xFF))
    return builder.or_(outer, builder.or_(moved(8, 0xFF0000), moved(-8, 0xFF00)))


def _rounds(builder: Any, state: list[Any], w: list[Any]) -> list[Any]:
    """The 64 rounds as straight code over vectors, one lane per text."""

    def every(number: int) -> Any:
        return ir.Constant(state[0].type, [number] * LANES)

    def total(first: Any, *rest: Any) -> Any:
        for one in rest:
            first = builder.add(first, one)
        return first

    def mixed(word: Any, *turns: int, shift: int = 0) -> Any:
        parts = [
            builder.or_(builder.lshr(word, every(n)), builder.shl(word, every(32 - n)))
            for n in turns
        ]
        parts += [builder.lshr(word, every(shift))] if shift else []
        return builder.xor(builder.xor(parts[0], parts[1]), parts[2])

    a, b, c, d, e, f, g, h = state
    for t in range(64):
        choice = builder.xor(g, builder.and_(e, builder.xor(f, g)))
        one = total(h, mixed(e, 6, 11, 25), choice, every(_ROUND[t]), w[0])
        major = builder.or_(builder.and_(a, b), builder.and_(c, builder.or_(a, b)))
        a, b, c, d, e, f, g, h = (
            total(one, mixed(a, 2, 13, 22), major), a, b, c, builder.add(d, one), e, f, g
        )
        low, high = mixed(w[1], 7, 18, shift=3), mixed(w[14], 17, 19, shift=10)
        w = [*w[1:], total(w[0], low, w[9], high)]
    return [a, b, c, d, e, f, g, h]


_compress = cast(Callable[[Array, Array], None], intrinsic(_compression))
"""Take one block of each lane, (16, LANES) little-endian words, into the state, (8, LANES)."""
