"""What happens in a session: identify, screens, searches, product views, products added."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random

from pipelines.world.completejourney import Purchases
from pipelines.world.orders import type_phone
from pipelines.world.persons import MINI_APPS, Person
from pipelines.world.plan import Visit

GENDERS = {
    "female": ("female", "female", "female", "F", "女", "Female"),
    "male": ("male", "male", "male", "M", "男", "Male"),
}
MINI_NAMES = ("归一商城小程序", "归一会员小程序")
APP_CONTEXT = '{"app":{"name":"归一商城","appid":"cn.guiyi.mall"},"device":{"type":"%s"}%s}'


@dataclass(slots=True)
class Event:
    """One event as it happened: `at_ms` is true time, `body` the JSON of what it says."""

    visit: int
    person: int
    at_ms: int
    kind: str
    body: str
    message_id: str
    anonymous_id: str | None
    user_id: str | None
    context: str
    traits: tuple[str | None, str | None] = (None, None)  # phone and e-mail, normalised
    has_login: bool = False  # somewhere in its session
    sent_ms: int = 0
    received_ms: int = 0
    clock: str = ""
    marks: list[str] = field(default_factory=list)


class Catalog:
    """Products as JSON pieces, so that an event costs one format."""

    def __init__(self, purchases: Purchases) -> None:
        """Hold ids, categories and prices as text by product row."""
        self.ids: list[int] = purchases.products["product_id"].to_pylist()
        names = purchases.products["category"].to_pylist()
        known = {name: json.dumps(name) for name in set(names)}
        self.categories = [known[name] for name in names]
        self.prices: list[int] = purchases.price.tolist()
        self.lines: list[int] = purchases.product.tolist()
        self.first: list[int] = purchases.first.tolist()
        self.count: list[int] = purchases.count.tolist()

    def properties(self, row: int, session: str) -> str:
        """Return the properties of a product event as JSON text."""
        price = self.prices[row]
        return (
            f'{{"session_id":"{session}","product_id":"{self.ids[row]}",'
            f'"category":{self.categories[row]},"price":{price // 100}.{price % 100:02d}}}'
        )

    def basket_rows(self, basket: int, random: Random) -> list[int]:
        """Return up to four product rows of a basket; of any basket if it is -1."""
        if basket < 0:
            basket = int(random.random() * len(self.first))
        first, count = self.first[basket], self.count[basket]
        wanted = min(count, 1 + int(random.random() * 4))
        return [self.lines[first + int(random.random() * count)] for _ in range(wanted)]


def message_id(random: Random) -> str:
    """Return a new message id."""
    return f"{random.getrandbits(96):024x}"


def visit_events(
    number: int, visit: Visit, person: Person, catalog: Catalog, random: Random
) -> list[Event]:
    """Return a visit's events in order."""
    session = f"s{random.getrandbits(48):012x}"
    context = visit_context(visit, person)
    login_at = int(random.random() * 3) if visit.has_login else 99
    at_ms = visit.at * 1000 + int(random.random() * 1000)
    events: list[Event] = []
    steps = _steps(visit, session, catalog, random)
    for position, (kind, body) in enumerate(steps):
        if position == min(login_at, len(steps) - 1) and visit.has_login:
            events.append(_identify(number, visit, person, at_ms, context, random))
            at_ms += 1500 + int(random.random() * 8000)
        user = person.user_id if position >= login_at else None
        events.append(
            Event(
                number, person.number, at_ms, kind, body, message_id(random), visit.device, user,
                context, has_login=visit.has_login,
            )
        )
        at_ms += 3000 + int(random.random() * 70_000)
    return events


def _steps(
    visit: Visit, session: str, catalog: Catalog, random: Random
) -> list[tuple[str, str]]:
    """Return type and body of a session's events, without identify."""
    only_session = f'"properties":{{"session_id":"{session}"}}'
    screen = "page" if visit.mini is not None else "screen"
    opened = "Push Opened" if random.random() < 0.12 else "App Opened"
    steps = [("track", f'"event":"{opened}",{only_session}')]
    name = "Home" if random.random() < 0.7 else "Offers"
    steps.append((screen, f'"name":"{name}",{only_session}'))
    rows = catalog.basket_rows(visit.basket, random)
    if random.random() < 0.35:
        query = catalog.categories[rows[0]].strip('"').lower()
        properties = f'{{"session_id":"{session}","query":"{query}"}}'
        steps.append(("track", f'"event":"Products Searched","properties":{properties}'))
    for row in rows:
        properties = catalog.properties(row, session)
        steps.append(("track", f'"event":"Product Viewed","properties":{properties}'))
        if random.random() < (0.45 if visit.basket >= 0 else 0.10):
            steps.append(("track", f'"event":"Product Added","properties":{properties}'))
    return steps


def _identify(
    number: int, visit: Visit, person: Person, at_ms: int, context: str, random: Random
) -> Event:
    traits: dict[str, object] = {}
    phone = visit.phone if visit.has_traits else None
    email = person.email if visit.has_traits else None
    if phone:
        traits["phone"] = type_phone(phone, random) if random.random() < 0.2 else phone
    if email:
        traits["email"] = email.upper() if random.random() < 0.05 else email
    if visit.has_traits:
        traits["gender"] = random.choice(GENDERS[person.sex])
        traits["birthday"] = person.birthday.isoformat()
        traits["address"] = {"city": person.city}
    body = '"traits":' + json.dumps(traits, ensure_ascii=False, separators=(",", ":"))
    return Event(
        number, person.number, at_ms, "identify", body, message_id(random), visit.device,
        person.user_id, context, (phone, email), has_login=True,
    )


def visit_context(visit: Visit, person: Person) -> str:
    """Return a visit's context as JSON text; mini programs carry their external ids."""
    if visit.mini is None:
        kind = "ios" if visit.device and visit.device[0] in "0123456" else "android"
        return APP_CONTEXT % (kind, "")
    ids = [{"id": person.openids[visit.mini], "type": "openid"}]
    if person.unionid:
        ids.append({"id": person.unionid, "type": "unionid"})
    app = {"name": MINI_NAMES[visit.mini], "appid": MINI_APPS[visit.mini]}
    context = {"app": app, "device": {"type": "wechat"}, "externalIds": ids}
    return json.dumps(context, ensure_ascii=False, separators=(",", ":"))
