"""Identity traps on phones, devices and cards: who holds what from when until when."""

from __future__ import annotations

from collections.abc import Callable

from pipelines.world.files import DAY_SECONDS, YEAR_END, YEAR_START
from pipelines.world.persons import Habit, Person, Span
from pipelines.world.plan import Plan, Visit

EVIDENCE_DAYS = 60  # forced evidence stands within this many days of a border
OWNER_LOG_INS = 5  # an owner's log-ins that make a friend's single one stand out
CARD_BASKETS = 6  # a person needs so many baskets for two phones to alternate on a card
TENURE_BASKETS = 5  # and so many on one side of a recycled phone's gap


def set_basic_traps(plan: Plan) -> None:
    """Lay every identity trap of the basic set over the persons of a plan."""
    households: dict[int, list[Person]] = {}
    for person in plan.persons:
        households.setdefault(person.household, []).append(person)
    share_cards(plan, households)
    recycle_phones(plan)
    change_phones(plan)
    sell_devices(plan)
    change_devices(plan)
    reinstall_apps(plan)
    share_tablets(plan, households)
    log_in_at_store_tablets(plan)


def set_hard_traps(plan: Plan) -> None:
    """Lay the identity traps of the `all` set that belong to persons over a plan."""
    visit_friends(plan)
    add_second_phones(plan)


def share_cards(plan: Plan, households: dict[int, list[Person]]) -> None:
    """Give two persons of a household one card; on most of them two phones alternate."""
    p = plan.parameters
    busy = {
        number: sorted(members, key=lambda m: -len(plan.basket_times[m.number]))[:2]
        for number, members in households.items()
        if len(members) > 1
    }
    fit = [
        pair for pair in busy.values()
        if len(plan.basket_times[pair[1].number]) >= CARD_BASKETS
    ]
    wanted = min(round(p.shared_card * len(households)), len(fit))
    for position, (first, second) in enumerate(plan.random.sample(fit, wanted)):
        alternates = position < p.shared_card_alternates * wanted
        second.card = Span(first.card.value, is_shared=True)
        first.card.is_shared = True
        first.card.habit = "beside" if alternates else "usual"
        second.card.habit = "beside" if alternates else "alone"
        plan.used.setdefault("phone", set()).update((first.number, second.number))
        plan.record("shared_card", [first, second], [first.card.value])


def recycle_phones(plan: Plan) -> None:
    """Give a person's former phone number to a stranger after 60-180 silent days."""
    p = plan.parameters
    wanted = round(p.recycled_phone * len(plan.persons))
    for position in range(wanted):
        left = plan.day(50, 150)
        gap = plan.random.randint(*p.recycled_gap_days) * DAY_SECONDS
        taken = min(left + gap, YEAR_END - 35 * DAY_SECONDS)
        giver = plan.take("phone", _buys(plan, YEAR_START, left))
        heir = plan.take("phone", _buys(plan, taken, YEAR_END))
        if giver is None or heir is None:
            return
        habits: list[Habit] = ["beside", "beside"]
        if position >= p.recycled_seen_both_sides * wanted:
            habits[plan.random.randrange(2)] = "alone"
        number = giver.phones[0].value
        giver.phones = [Span(number, end=left, habit=habits[0])]
        if plan.random.random() < 0.5:
            giver.phones.append(Span(plan.mint.phone(), start=left))
        heir.phones = [Span(number, start=taken, habit=habits[1])]
        plan.record("recycled_phone", [giver, heir], [number], taken)


def _buys(plan: Plan, start: int, end: int) -> Callable[[Person], bool]:
    return lambda person: plan.baskets_between(person.number, start, end) >= TENURE_BASKETS


def change_phones(plan: Plan) -> None:
    """Let users verify a new phone number in place of the old one."""
    for _ in range(round(plan.parameters.new_phone * len(plan.persons))):
        person = plan.take("phone", lambda one: one.has_app)
        if person is None:
            return
        border = plan.day(80, 280)
        old, new = person.phones[0].value, plan.mint.phone()
        person.phones = [Span(old, end=border), Span(new, start=border)]
        for start, end in _sides(border, border):
            _visit_own(plan, person, start, end)
        plan.record("new_phone", [person], [old, new], border)


def _visit_own(plan: Plan, person: Person, start: int, end: int) -> None:
    """Add a visit on the person's own device, which is looked up when visits are rendered."""
    at = plan.between(start, end)
    plan.visits.append(Visit(person.number, at, None, None, has_login=True, has_traits=True))


def _sides(left: int, taken: int) -> tuple[tuple[int, int], tuple[int, int]]:
    reach = EVIDENCE_DAYS * DAY_SECONDS
    return (left - reach, left), (taken, taken + reach)


def sell_devices(plan: Plan) -> None:
    """Pass a device to a stranger after 7-30 days; in most cases both log in on it."""
    p = plan.parameters
    wanted = round(p.sold_device * len(plan.persons))
    for position in range(wanted):
        seller = plan.take("device", lambda one: one.has_app)
        buyer = plan.take("device", lambda one: one.has_app)
        if seller is None or buyer is None:
            return
        left = plan.day(50, 250)
        taken = left + plan.random.randint(*p.sold_gap_days) * DAY_SECONDS
        habits: list[Habit] = ["usual", "usual"]
        if position >= p.sold_both_log_in * wanted:
            habits[plan.random.randrange(2)] = "alone"
        device = seller.devices[0].value
        seller.devices = [Span(device, end=left, habit=habits[0])]
        seller.devices.append(Span(plan.mint.device(), start=left))
        buyer.devices = [Span(plan.mint.device(), end=taken)]
        buyer.devices.append(Span(device, start=taken, habit=habits[1]))
        ways = zip((seller, buyer), habits, _sides(left, taken), strict=True)
        for person, habit, (start, end) in ways:
            for _ in range(3):
                plan.visit(person, device, start, end, has_login=habit == "usual")
        plan.record("sold_device", [seller, buyer], [device], taken)


def change_devices(plan: Plan) -> None:
    """Let users log in on a new device in place of the old one."""
    _replace_devices(plan, "new_device", plan.parameters.new_device, "usual")


def reinstall_apps(plan: Plan) -> None:
    """Give installations a new device id on which nobody ever logs in."""
    _replace_devices(plan, "reinstalled", plan.parameters.reinstalled, "alone")


def _replace_devices(plan: Plan, trap: str, share: float, habit: Habit) -> None:
    count_apps = sum(person.has_app for person in plan.persons)
    for _ in range(round(share * count_apps)):
        person = plan.take("device", lambda one: one.has_app)
        if person is None:
            return
        border = plan.day(50, 300)
        old, new = person.devices[0].value, plan.mint.device()
        person.devices = [Span(old, end=border), Span(new, start=border, habit=habit)]
        before, after = _sides(border, border)
        plan.visit(person, old, *before, has_login=True)
        plan.visit(person, new, *after, has_login=habit == "usual")
        plan.record(trap, [person], [old, new], border)


def share_tablets(plan: Plan, households: dict[int, list[Person]]) -> None:
    """Put one more device into households; on most of them two persons' log-ins alternate."""
    p = plan.parameters
    pairs = [
        [m for m in members if m.has_app][:2]
        for members in households.values()
        if sum(m.has_app for m in members) > 1
    ]
    wanted = min(round(p.family_tablet * len(households)), len(pairs))
    for position, (first, second) in enumerate(plan.random.sample(pairs, wanted)):
        device = plan.mint.device()
        alternates = position < p.family_alternates * wanted
        for place, person in enumerate((first, second)):
            person.tablets.append(Span(device, is_shared=True))
            for turn in range(plan.random.randint(4, 7)):
                day = 20 + 45 * turn + 20 * place if alternates else 20 + 15 * turn + 170 * place
                start = YEAR_START + day * DAY_SECONDS
                plan.visit(person, device, start, start + 9 * DAY_SECONDS, has_login=True)
                if turn % 2:
                    plan.visit(person, device, start, start + 9 * DAY_SECONDS)
        plan.record("family_tablet", [first, second], [device])


def log_in_at_store_tablets(plan: Plan) -> None:
    """Let hundreds of customers log in on each of the stores' tablets."""
    users = [person for person in plan.persons if person.user_id]
    for _ in range(plan.parameters.store_tablets):
        device = plan.mint.device()
        count = min(plan.parameters.store_tablet_customers, len(users))
        customers = plan.random.sample(users, count)
        for person in customers:
            plan.visit(person, device, YEAR_START, YEAR_END, has_login=True)
        plan.record("store_tablet", customers, [device])


def visit_friends(plan: Plan) -> None:
    """Let a person log in once on a friend's device."""
    owners = [person for person in plan.persons if person.devices]
    for _ in range(round(plan.parameters.friend_login * len(owners))):
        owner = plan.take("friend", lambda one: bool(one.devices))
        friend = plan.take("friend", lambda one: one.user_id is not None)
        if owner is None or friend is None:
            return
        usual = [one for one in owner.devices if one.habit == "usual"]
        span = max(usual or owner.devices, key=lambda one: one.end - one.start)
        plan.visit(friend, span.value, span.start, span.end, has_login=True)
        for _ in range(OWNER_LOG_INS if usual else 0):
            plan.visit(owner, span.value, span.start, span.end, has_login=True)
        plan.record("friend_login", [owner, friend], [span.value])


def add_second_phones(plan: Plan) -> None:
    """Let users verify two phone numbers that they keep side by side."""
    for _ in range(round(plan.parameters.second_phone * len(plan.persons))):
        person = plan.take("phone", lambda one: one.has_app)
        if person is None:
            return
        person.phones.append(Span(plan.mint.phone()))
        numbers = [span.value for span in person.phones]
        for number in numbers * 3:
            at = plan.between(YEAR_START, YEAR_END)
            plan.visits.append(Visit(person.number, at, None, None, True, True, phone=number))
        plan.record("second_phone", [person], numbers)
