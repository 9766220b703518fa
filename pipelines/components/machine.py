"""Loops as machine code by numba, and what numba lacks: eight bytes from anywhere as one word.

No module that is loaded before there is work to do imports this one. Machine code is kept on
disk between runs and needs no interpreter lock. On disk it follows changes of its own file only:
whoever changes a loop that another file calls removes ``__pycache__``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import numpy.typing as npt
from numba import njit, types
from numba.extending import intrinsic

Loop = TypeVar("Loop", bound=Callable[..., Any])
Array = npt.NDArray[Any]


def compiled(loop: Loop) -> Loop:
    """``loop`` as machine code, made at its first call and kept on disk."""
    return cast(Loop, njit(cache=True, nogil=True, error_model="numpy")(loop))


def _word_at(context: Any, data: Any, at: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, values[0])
        place = builder.gep(array.data, [values[1]])
        word = context.get_value_type(types.uint64)
        return builder.load(builder.bitcast(place, word.as_pointer()), align=1)

    return types.uint64(data, types.uint64), code


def _put_word(context: Any, data: Any, at: Any, word: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, values[0])
        place = builder.gep(array.data, [values[1]])
        builder.store(values[2], builder.bitcast(place, values[2].type.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.void(data, types.uint64, types.uint64), code


word_at = cast(Callable[[Array, np.uint64], np.uint64], intrinsic(_word_at))
"""The eight bytes of ``data`` from a place on, as a little-endian word; they must be there."""

put_word = cast(Callable[[Array, np.uint64, np.uint64], None], intrinsic(_put_word))
"""Write a word as the eight bytes of ``data`` from a place on; there must be room."""
