"""Dates as runs without a gap, in order: a year of days is few numbers."""

from __future__ import annotations

from bisect import bisect_right

Run = list[int]
"""First and last ordinal, both inside."""


def add(runs: list[Run], day: int) -> None:
    """Put ``day`` among ``runs``, in place."""
    place = bisect_right(runs, day, key=lambda run: run[0])
    before = runs[place - 1] if place else None
    if before is not None and day <= before[1]:
        return
    after = runs[place] if place < len(runs) else None
    meets_before = before is not None and before[1] == day - 1
    if after is not None and after[0] == day + 1:
        if meets_before:
            assert before is not None
            before[1] = after[1]
            del runs[place]
        else:
            after[0] = day
    elif meets_before:
        assert before is not None
        before[1] = day
    else:
        runs.insert(place, [day, day])


def inside(runs: list[Run], first: int, last: int) -> list[Run]:
    """The parts of ``runs`` from ``first`` to ``last``."""
    return [
        [max(run[0], first), min(run[1], last)]
        for run in runs
        if run[0] <= last and run[1] >= first
    ]


def without(runs: list[Run], before: int) -> list[Run]:
    """``runs`` without the dates before one."""
    return [[max(run[0], before), run[1]] for run in runs if run[1] >= before]
