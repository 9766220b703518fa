"""What the world is told to do beyond its habits: visits, and instances of traps."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from pipelines.world.files import DAY_SECONDS, YEAR_END, YEAR_START
from pipelines.world.parameters import Parameters
from pipelines.world.persons import Mint, Person


@dataclass(slots=True)
class Visit:
    """One session of a person in the app (`device`) or a mini program (`mini` 0 or 1)."""

    person: int
    at: int
    device: str | None
    mini: int | None = None
    has_login: bool = False
    has_traits: bool = False
    basket: int = -1
    phone: str | None = None


@dataclass(slots=True)
class Instance:
    """One instance of a trap; `border` is the time at which a tenure changes hands."""

    trap: str
    persons: list[int]
    identifiers: list[str]
    border: int = 0
    is_decidable: bool = True


@dataclass(slots=True)
class Plan:
    """Persons with their baskets' times, and what identity traps add to them."""

    persons: list[Person]
    basket_times: list[list[int]]
    mint: Mint
    parameters: Parameters
    visits: list[Visit] = field(default_factory=list)
    instances: list[Instance] = field(default_factory=list)
    used: dict[str, set[int]] = field(default_factory=dict)

    @property
    def random(self) -> Random:
        """Return the plan's source of chance."""
        return self.mint.random

    def baskets_between(self, person: int, start: int, end: int) -> int:
        """Count a person's baskets from `start` until before `end`."""
        times = self.basket_times[person]
        return bisect_left(times, end) - bisect_left(times, start)

    def take(self, kind: str, fits: Callable[[Person], bool]) -> Person | None:
        """Return a person not yet used for this kind of trap who fits, and mark them used."""
        used = self.used.setdefault(kind, set())
        for _ in range(4000):
            person = self.persons[self.random.randrange(len(self.persons))]
            if person.number not in used and fits(person):
                used.add(person.number)
                return person
        return None

    def between(self, start: int, end: int) -> int:
        """Return a random time from `start` until before `end`, a session before year's end."""
        start = max(start, YEAR_START)
        return self.random.randrange(start, max(start + 1, min(end, YEAR_END - 7200)))

    def day(self, first: int, last: int) -> int:
        """Return the start of a random day of the year plus part of a day."""
        return YEAR_START + int(self.random.uniform(first, last) * DAY_SECONDS)

    def visit(
        self, person: Person, device: str, start: int, end: int, has_login: bool = False
    ) -> None:
        """Add a visit on a device at a random time."""
        at = self.between(start, end)
        self.visits.append(Visit(person.number, at, device, None, has_login))

    def record(self, trap: str, persons: list[Person], identifiers: list[str], at: int = 0) -> None:
        """Add a trap's instance."""
        numbers = [person.number for person in persons]
        self.instances.append(Instance(trap, numbers, identifiers, at))
