"""Households and their persons: attributes, and identifiers with their life spans."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Literal

from pipelines.world.files import YEAR_END, YEAR_START
from pipelines.world.parameters import Parameters

CITIES = (
    "上海", "广州", "深圳", "成都", "杭州", "武汉", "西安", "南京", "重庆", "天津",
    "苏州", "长沙", "郑州", "青岛", "沈阳", "宁波", "合肥", "昆明", "厦门", "哈尔滨",
)
MINI_APPS = ("wx5c1d7a90e2b84f36", "wx88e4b1f07d3a6c25")
PHONE_PREFIXES = tuple(
    [f"13{digit}" for digit in range(10)]
    + [f"15{digit}" for digit in (0, 1, 2, 3, 5, 6, 7, 8, 9)]
    + [f"18{digit}" for digit in range(10)]
)
# How the holder of a phone or device shows it: usual; on the same orders as the card;
# or alone, which leaves no evidence of whose it is.
Habit = Literal["usual", "beside", "alone"]


@dataclass(slots=True)
class Span:
    """An identifier's stay with a person, from `start` until before `end`, epoch seconds."""

    value: str
    start: int = YEAR_START
    end: int = YEAR_END
    habit: Habit = "usual"
    is_shared: bool = False

    def covers(self, at: int) -> bool:
        """Tell whether the stay includes a time."""
        return self.start <= at < self.end


@dataclass(slots=True)
class Person:
    """One person of the sample world; numbers are positions, never written to raw files."""

    number: int
    household: int
    sex: str
    birthday: date
    city: str
    has_app: bool
    has_mini: bool
    card: Span
    phones: list[Span]
    devices: list[Span] = field(default_factory=list)
    tablets: list[Span] = field(default_factory=list)
    user_id: str | None = None
    email: str | None = None
    openids: tuple[str, ...] = ()
    unionid: str | None = None
    external_userid: str | None = None
    mini_device: str | None = None
    consents: dict[str, str] = field(default_factory=dict)

    def phone_at(self, at: int) -> Span | None:
        """Return the person's first phone at a time."""
        return next((span for span in self.phones if span.covers(at)), None)

    def devices_at(self, at: int) -> list[Span]:
        """Return the person's app installations at a time."""
        return [span for span in self.devices if span.covers(at)]


def random_uuid(random: Random) -> str:
    """Return a random id in the form of a version 4 UUID."""
    text = f"{random.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


class Mint:
    """Gives values no other person has, in an order that says nothing about persons."""

    def __init__(self, random: Random) -> None:
        """Draw from one source of chance only."""
        self.random = random
        self.taken: set[str] = set()

    def phone(self) -> str:
        """Return an unused mainland mobile number in E.164."""
        while True:
            tail = self.random.randrange(10_000_000, 100_000_000)
            number = f"+86{self.random.choice(PHONE_PREFIXES)}{tail:08d}"
            if number not in self.taken:
                self.taken.add(number)
                return number

    def hexadecimal(self, prefix: str, digits: int) -> str:
        """Return a prefix and so many random hexadecimal digits."""
        return f"{prefix}{self.random.getrandbits(4 * digits):0{digits}x}"

    def device(self) -> str:
        """Return a random installation id in the form of a version 4 UUID."""
        return random_uuid(self.random)

    def card(self) -> str:
        """Return an unused member card number."""
        while True:
            number = f"M{self.random.randrange(100_000_000):08d}"
            if number not in self.taken:
                self.taken.add(number)
                return number


def build_persons(sizes: list[int], random: Random, p: Parameters) -> tuple[list[Person], Mint]:
    """Return the persons of households of the given sizes, and the mint of their values."""
    mint = Mint(random)
    persons: list[Person] = []
    for household, size in enumerate(sizes):
        city = "北京" if random.random() < p.beijing else random.choice(CITIES)
        for position in range(size):
            number = len(persons)
            persons.append(_person(number, household, position, city, mint, p))
    return persons, mint


def _person(
    number: int, household: int, position: int, city: str, mint: Mint, p: Parameters
) -> Person:
    random = mint.random
    youngest, oldest = (20, 70) if position < 2 else (12, 24)
    age_days = random.randrange(youngest * 365, oldest * 365)
    person = Person(
        number=number,
        household=household,
        sex=random.choice(("female", "male")),
        birthday=date(2017, 1, 1) - timedelta(days=age_days),
        city=city,
        has_app=random.random() < p.app,
        has_mini=random.random() < p.mini_program,
        card=Span(mint.card()),
        phones=[Span(mint.phone())],
    )
    _add_digital_identifiers(person, mint, p)
    return person


def _add_digital_identifiers(person: Person, mint: Mint, p: Parameters) -> None:
    random = mint.random
    if person.has_app or person.has_mini:
        person.user_id = mint.hexadecimal("u", 12)
    if random.random() < p.email:
        person.email = mint.hexadecimal("", 8) + random.choice(("@qq.com", "@163.com", "@sina.cn"))
    if person.has_app:
        person.devices = [Span(mint.device())]
        if random.random() < p.second_device:
            person.devices.append(Span(mint.device()))
    if person.has_mini:
        person.openids = tuple(mint.hexadecimal(f"{app}:o", 26) for app in MINI_APPS)
        person.mini_device = mint.device() if random.random() < p.mini_anonymous_id else None
        if random.random() < p.unionid_tied:
            person.unionid = mint.hexadecimal("on", 26)
    if random.random() < p.external_userid:
        person.external_userid = mint.hexadecimal("wm", 28)


def draw_sizes(known: list[str | None], random: Random, p: Parameters) -> list[int]:
    """Return each household's number of persons, 1-4, from its demographics if it has any."""
    draws = random.choices(range(1, 5), p.household_sizes, k=len(known))
    return [
        draw if text is None else min(4, int(text.rstrip("+")))
        for text, draw in zip(known, draws, strict=True)
    ]
