"""Reading ahead: what is iterated over is made by a thread of its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item], depth: int) -> Iterator[Item]:
    """The ``items``, of which up to ``depth`` are made while others are worked on.

    An error of ``items`` comes out where it would have come without a thread.
    """
    source, end = iter(items), object()
    with ThreadPoolExecutor(1) as thread:
        pending = [thread.submit(next, source, end) for _ in range(depth)]
        try:
            while (item := pending.pop(0).result()) is not end:
                pending.append(thread.submit(next, source, end))
                yield item  # type: ignore[misc]
        finally:
            thread.shutdown(cancel_futures=True)
