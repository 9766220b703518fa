"""A pure step per key, and what holds the states of all keys: the same on every streaming host.

Times are microseconds since 1970. A host tells ``passed``, the instant up to which everything has
come; what the step gives as ``next`` is when it wants to be told so.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

State = TypeVar("State")
Rules = TypeVar("Rules")


class Occurrence(Protocol):
    """An event of one key."""

    @property
    def key(self) -> str:
        """Whose it is."""

    @property
    def at(self) -> int:
        """When it happened."""


Event = TypeVar("Event", bound=Occurrence)


class Out(NamedTuple):
    """What a step says to the world, once: ``id`` names it wherever it is computed."""

    id: str
    key: str
    at: int
    """When it became true."""
    value: bytes


class Moved(NamedTuple, Generic[State]):
    """A key after a step: its state (None: nothing is kept), what it says, when to wake it."""

    state: State | None
    outs: Sequence[Out]
    next: int | None


class Keyed(Protocol[Event, State, Rules]):
    """A pure step per key with rules that may change while it runs.

    ``event_type`` and ``state_type`` are msgspec structures, for hosts that move or keep them.
    """

    event_type: type[Event]
    state_type: type[State]

    def rules(self, definitions: Mapping[str, bytes]) -> Rules:
        """The definitions in force, by name, made ready; ConfigError where one is wrong."""

    def read(self, rules: Rules, source: str, value: bytes, received_at: int) -> Event | None:
        """The event that a line of ``source`` tells; None when the rules need nothing of it."""

    def happened(
        self, state: State | None, event: Event, passed: int, rules: Rules
    ) -> Moved[State]:
        """The key after ``event``; takes ``state`` over."""

    def passed(self, state: State, key: str, at: int, rules: Rules) -> Moved[State]:
        """The key when everything up to ``at`` has come; takes ``state`` over."""


class Held(Generic[Event, State, Rules]):
    """The states of all keys in memory, and who is to be woken when."""

    def __init__(self, keyed: Keyed[Event, State, Rules], rules: Rules) -> None:
        self.keyed, self.rules = keyed, rules
        self.states: dict[str, State] = {}
        self.passed = 0
        self._wakes: dict[str, int] = {}
        self._queue: list[tuple[int, str]] = []

    def take(self, events: Sequence[Event]) -> list[Out]:
        """Step with each event in turn; returns what was said."""
        states, happened, wakes = self.states, self.keyed.happened, self._wakes
        rules, passed = self.rules, self.passed
        said: list[Out] = []
        for event in events:
            key = event.key
            state, outs, wake = happened(states.get(key), event, passed, rules)
            if outs:
                said += outs
            if state is None:
                states.pop(key, None)
                continue
            states[key] = state
            if wake is not None and (key not in wakes or wake < wakes[key]):
                self._wake(key, wake)
        return said

    def advance(self, passed: int) -> list[Out]:
        """Tell that everything up to ``passed`` has come; returns what was said, in order."""
        said: list[Out] = []
        if passed <= self.passed:
            return said
        self.passed = passed
        queue = self._queue
        while queue and queue[0][0] <= passed:
            wake, key = heapq.heappop(queue)
            if self._wakes.get(key) != wake:
                continue
            del self._wakes[key]
            state = self.states.get(key)
            if state is not None:
                self._woken(key, self.keyed.passed(state, key, passed, self.rules), said)
        return said

    def _woken(self, key: str, moved: Moved[State], said: list[Out]) -> None:
        said += moved.outs
        if moved.state is None:
            del self.states[key]
            return
        self.states[key] = moved.state
        if moved.next is not None:
            self._wake(key, moved.next)

    def _wake(self, key: str, at: int) -> None:
        self._wakes[key] = at
        heapq.heappush(self._queue, (at, key))

    def snapshot(self) -> tuple[int, dict[str, State], dict[str, int]]:
        """What ``restore`` takes: how far time has come, states and wake-ups."""
        return self.passed, self.states, self._wakes

    def restore(self, passed: int, states: dict[str, Any], wakes: dict[str, int]) -> None:
        """Go on from a ``snapshot``."""
        self.passed, self.states, self._wakes = passed, states, dict(wakes)
        self._queue = [(at, key) for key, at in wakes.items()]
        heapq.heapify(self._queue)
