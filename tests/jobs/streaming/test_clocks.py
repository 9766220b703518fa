"""How far time has come in several partitions."""

from __future__ import annotations

from jobs.streaming.clocks import Clocks

STARTS = {"a": {0: 0, 1: 0}}


def clocks(left: set[int]) -> Clocks:
    """Two partitions, of which those in ``left`` are not at their end."""
    return Clocks({}, STARTS, 5, lambda _, number: number not in left)


def test_time_is_that_of_the_slowest_partition() -> None:
    one = clocks(set())
    assert one.least(0) is None
    one.times["a"] |= {0: 700, 1: 300}
    one.moved("a", [0, 1], 1)
    assert one.least(2) == 300


def test_a_partition_that_rests_holds_up_nobody_until_it_speaks_again() -> None:
    one = clocks(set())
    one.times["a"] |= {0: 700, 1: 300}
    one.moved("a", [0, 1], 1)
    one.moved("a", [0], 7)
    assert one.least(7) == 700
    one.moved("a", [1], 8)
    assert one.least(8) == 300


def test_a_partition_that_was_not_come_to_does_not_rest() -> None:
    one = clocks({1})
    one.times["a"] |= {0: 700, 1: 300}
    one.moved("a", [0, 1], 1)
    one.moved("a", [0], 99)
    assert one.least(99) == 300


def test_when_all_rest_all_has_come() -> None:
    one = clocks(set())
    one.times["a"] |= {0: 700, 1: 300}
    one.moved("a", [0, 1], 1)
    assert one.least(99) == 700
