"""Reading ahead changes neither items nor errors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pipelines.components.ahead import ahead


def test_all_items_come_in_their_order() -> None:
    assert list(ahead(range(20), 3)) == list(range(20))
    assert list(ahead([], 3)) == []


def test_an_error_comes_after_what_was_made_before_it() -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("cut")

    items = ahead(broken(), 3)
    assert next(items) == 1
    with pytest.raises(OSError, match="cut"):
        next(items)


def test_who_stops_early_stops_the_source() -> None:
    closed = []

    def source() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.append(True)

    items = ahead(source(), 2)
    next(items)
    items.close()  # type: ignore[attr-defined]
    del items
    assert closed == [True]
