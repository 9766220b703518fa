"""Counts by minute of receipt."""

from __future__ import annotations

import msgspec

from domain.counts import MINUTE, Counting
from domain.keyed import Held
from jobs import settings
from tests.jobs.streaming import made


def test_minutes_are_told_once_when_they_are_over() -> None:
    keyed = Counting(settings.read().sources)
    held = Held(keyed, keyed.rules({}))
    first = made.START // 60_000 * MINUTE
    line = made.line("d", "Product Added", made.START, "m")
    for at in (first, first + MINUTE - 1, first + MINUTE):
        held.take([keyed.read(held.rules, "app_events", line, at)])
    held.take([keyed.read(held.rules, "app_events", b"{", first)])
    assert held.advance(first + MINUTE - 2) == []
    said = [msgspec.json.decode(one.value) for one in held.advance(first + MINUTE - 1)]
    assert [(one["type"], one["count"]) for one in said] == [("product_added", 2), ("unknown", 1)]
    held.take([keyed.read(held.rules, "app_events", line, first)])
    assert len(held.advance(first + 3 * MINUTE)) == 1
    assert held.states == {}
