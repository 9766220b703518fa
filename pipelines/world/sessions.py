"""Sessions in the app and the mini programs: who, when, on what, leading up to which basket."""

from __future__ import annotations

from pipelines.world.completejourney import Purchases
from pipelines.world.files import DAY_SECONDS, YEAR_END, YEAR_START
from pipelines.world.parameters import Parameters
from pipelines.world.persons import Person
from pipelines.world.plan import Plan, Visit

BROWSING_SPREAD_DAYS = 4.0  # browsing stands around days of buying, so it ends when buying ends


def add_visits(plan: Plan, purchases: Purchases, owner: list[int]) -> None:
    """Add the sessions that lead up to real baskets, and those that end without one."""
    p, random = plan.parameters, plan.random
    for basket, at in enumerate(purchases.at.tolist()):
        person = plan.persons[owner[basket]]
        if not (person.has_app or person.has_mini):
            continue
        if random.random() < p.sessions_before_basket:
            lead = 900 + random.expovariate(1 / (p.lead_hours * 3600))
            _add(plan, person, int(at - lead), basket, p)
        if random.random() < p.browsing_per_basket:
            away = random.gauss(0.0, BROWSING_SPREAD_DAYS * DAY_SECONDS)
            _add(plan, person, int(at + away), -1, p)


def _add(plan: Plan, person: Person, at: int, basket: int, p: Parameters) -> None:
    if not YEAR_START <= at < YEAR_END - 7200:
        return
    random = plan.random
    if person.has_mini and (not person.has_app or random.random() < p.mini_share):
        has_login = random.random() < p.mini_login
        has_traits = has_login and random.random() < p.login_with_traits
        mini = int(random.random() < 0.3)
        visit = Visit(person.number, at, person.mini_device, mini, has_login, has_traits, basket)
    else:
        held = person.devices_at(at)
        if not held:
            return
        device = held[0] if len(held) == 1 or random.random() < 0.7 else held[1]
        has_login = device.habit != "alone" and random.random() < p.login
        has_traits = has_login and random.random() < p.login_with_traits
        visit = Visit(person.number, at, device.value, None, has_login, has_traits, basket)
    plan.visits.append(visit)


def settle_visits(plan: Plan) -> None:
    """Give every app visit its device and every visit with traits its phone; sort by time."""
    for visit in plan.visits:
        person = plan.persons[visit.person]
        if visit.mini is None and visit.device is None:
            span = person.devices_at(visit.at)[0]
            visit.device = span.value
            visit.has_login = visit.has_login and span.habit != "alone"
        visit.has_traits = visit.has_traits and visit.has_login
        if visit.has_traits and visit.phone is None:
            phone = person.phone_at(visit.at)
            if phone is not None and phone.habit != "alone":
                visit.phone = phone.value
    plan.visits.sort(key=lambda one: (one.at, one.person, one.device or ""))
