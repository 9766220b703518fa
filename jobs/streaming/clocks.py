"""How far time has come in partitions that are read side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

Partition = tuple[str, int]


class Clocks:
    """The record time of the last record of each partition, and which of them rest.

    Record times do not run backwards in a partition, so that a partition read far ahead of
    another makes nothing late. One rests that has been at its end for ``idle_s``.
    """

    def __init__(
        self, times: Mapping[str, Mapping[int, int]], starts: Mapping[str, Mapping[int, int]],
        idle_s: float, is_at_end: Callable[[str, int], bool],
    ) -> None:
        self.times = {name: dict(times.get(name, {})) for name in starts}
        self._partitions = [(name, number) for name in starts for number in starts[name]]
        self._idle_s, self._is_at_end = idle_s, is_at_end
        self._since: dict[Partition, float] = {}
        self._resting: set[Partition] = set()

    def moved(self, name: str, partitions: Iterable[int], now: float) -> None:
        """Records of ``partitions`` came."""
        for number in partitions:
            self._since[name, number] = now
            self._resting.discard((name, number))

    def least(self, now: float) -> int | None:
        """The time that all partitions have reached that do not rest.

        None when one of them has not spoken yet; when all rest, the greatest of their times.
        """
        active = [one for one in self._partitions if not self._rests(one, now)]
        if not active:
            return self.greatest()
        reached = [self.times[name].get(number) for name, number in active]
        known = [time for time in reached if time is not None]
        return min(known) if len(known) == len(reached) else None

    def greatest(self) -> int | None:
        """The latest time that any partition has reached."""
        return max((time for one in self.times.values() for time in one.values()), default=None)

    def _rests(self, one: Partition, now: float) -> bool:
        if one in self._resting:
            return True
        if now - self._since.setdefault(one, now) < self._idle_s:
            return False
        if self._is_at_end(*one):
            self._resting.add(one)
        self._since[one] = now
        return one in self._resting
