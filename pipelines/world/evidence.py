"""What the raw files show: sightings of identifiers, who holds them, and own chains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pipelines.world.app_feed import NULLISH, Feed
from pipelines.world.files import YEAR_END, YEAR_START
from pipelines.world.orders import Orders
from pipelines.world.persons import Person
from pipelines.world.plan import Instance, Plan
from pipelines.world.session_events import Event
from pipelines.world.small_sources import Identifier, SmallSource

# Identifiers of these traps belong to nobody; they are in the truth without a person.
NOBODYS = {
    "placeholder_phone": "phone",
    "small_placeholder": "phone",
    "cashier_card": "member_card",
    "store_tablet": "device_id",
}


@dataclass(slots=True)
class Stay:
    """An identifier's stay with a person (None: nobody's); times are epoch seconds."""

    kind: str
    value: str
    person: int | None
    start: int = YEAR_START
    end: int = YEAR_END
    is_shared: bool = False
    chain: int | None = None


@dataclass(frozen=True, slots=True)
class Sighting:
    """Identifiers that one readable row shows together, and the person it is truly of."""

    person: int
    at: int
    ids: tuple[Identifier, ...]


@dataclass(slots=True)
class Holders:
    """Who holds which identifier when."""

    stays: list[Stay] = field(default_factory=list)
    by_id: dict[Identifier, list[Stay]] = field(default_factory=dict)

    def add(self, stay: Stay) -> None:
        """Note a stay."""
        self.stays.append(stay)
        self.by_id.setdefault((stay.kind, stay.value), []).append(stay)

    def alone(self, person: int, one: Identifier, at: int) -> Stay | None:
        """Return the person's stay if the identifier is theirs alone at a time."""
        held = [stay for stay in self.by_id.get(one, ()) if stay.start <= at < stay.end]
        if len(held) == 1 and held[0].person == person and not held[0].is_shared:
            return held[0]
        return None


def find_holders(plan: Plan, instances: Iterable[Instance]) -> Holders:
    """Return all stays of all identifiers that persons hold, and of those nobody holds."""
    holders = Holders()
    for person in plan.persons:
        for stay in _person_stays(person):
            holders.add(stay)
    for instance in instances:
        if instance.trap in NOBODYS:
            kind = NOBODYS[instance.trap]
            holders.add(Stay(kind, instance.identifiers[0], None, is_shared=True))
    return holders


def _person_stays(person: Person) -> Iterator[Stay]:
    number = person.number
    spans = [("phone", span) for span in person.phones]
    spans += [("device_id", span) for span in (*person.devices, *person.tablets)]
    spans.append(("member_card", person.card))
    for kind, span in spans:
        yield Stay(kind, span.value, number, span.start, span.end, span.is_shared)
    values = [
        ("user_id", person.user_id), ("email", person.email), ("unionid", person.unionid),
        ("external_userid", person.external_userid), ("device_id", person.mini_device),
        *(("openid", openid) for openid in person.openids),
    ]
    for kind, value in values:
        if value:
            yield Stay(kind, value, number)


def event_ids(event: Event, plan: Plan) -> tuple[Identifier, ...]:
    """Return the identifiers that a feed's event shows."""
    ids: list[Identifier] = []
    if event.anonymous_id not in NULLISH:
        ids.append(("device_id", event.anonymous_id or ""))
    if event.user_id:
        ids.append(("user_id", event.user_id))
    visit = plan.visits[event.visit] if event.visit >= 0 else None
    if visit is not None and visit.mini is not None:
        person = plan.persons[event.person]
        ids.append(("openid", person.openids[visit.mini]))
        if person.unionid:
            ids.append(("unionid", person.unionid))
    kinds = ("phone", "email")
    ids += [(kind, value) for kind, value in zip(kinds, event.traits, strict=True) if value]
    return tuple(ids)


def order_ids(orders: Orders, basket: int) -> tuple[Identifier, ...]:
    """Return the identifiers that a basket's lines show."""
    ids: list[Identifier] = []
    if orders.cards[basket]:
        ids.append(("member_card", orders.cards[basket]))
    if orders.phones[basket]:
        ids.append(("phone", orders.phones[basket]))
    return tuple(ids)


def see_orders(orders: Orders, times: list[int]) -> Iterator[Sighting]:
    """Yield a sighting per basket that shows an identifier."""
    for basket, person in enumerate(orders.person.tolist()):
        ids = order_ids(orders, basket)
        if ids:
            yield Sighting(person, times[basket], ids)


def see_feed(feed: Feed, plan: Plan) -> Iterator[Sighting]:
    """Yield a sighting per visit and set of identifiers on its readable events."""
    seen: set[tuple[int, tuple[Identifier, ...]]] = set()
    for hour in sorted(feed.hours):
        for line in feed.hours[hour]:
            event = line.event
            if line.reason or line.is_repeat or event.person < 0:
                continue
            ids = event_ids(event, plan)
            if ids and (event.visit, ids) not in seen:
                seen.add((event.visit, ids))
                yield Sighting(event.person, event.at_ms // 1000, ids)


def see_small(source: SmallSource) -> Iterator[Sighting]:
    """Yield a sighting per readable row of a small source."""
    for row in source.rows:
        if not row.is_spoiled:
            yield Sighting(row.person, row.at, row.ids)


def number_chains(sightings: Iterable[Sighting], holders: Holders) -> None:
    """Number each stay by the chain of its person's own evidence; unseen stays keep none.

    Two identifiers join when a row of that person shows both and both are then theirs
    alone; shared ones and other people's join nothing.
    """
    places = {id(stay): place for place, stay in enumerate(holders.stays)}
    parent = list(range(len(holders.stays)))
    seen: set[int] = set()
    for sighting in sightings:
        own = [holders.alone(sighting.person, one, sighting.at) for one in sighting.ids]
        found = [_root(parent, places[id(stay)]) for stay in own if stay is not None]
        seen.update(places[id(stay)] for stay in own if stay is not None)
        for root in found[1:]:
            parent[_root(parent, root)] = _root(parent, found[0])
    numbers: dict[int, int] = {}
    for place in sorted(seen):
        root = _root(parent, place)
        holders.stays[place].chain = numbers.setdefault(root, len(numbers) + 1)


def _root(parent: list[int], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = parent[place]
    return place
