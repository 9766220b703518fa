"""Which trap instances the emitted evidence decides: one stated rule per trap.

The rules read sightings only (what readable rows show), never a resolver's result:

- shared_card: two phones of its two holders change at least 3 times in the card's orders;
- family_tablet: the users logged in on the device change at least 3 times;
- recycled_phone, sold_device: a user or an unshared card (a user, for devices) of the
  first holder is seen with it before the border, and one of the second after it;
- new_phone, second_phone, new_device: one user is seen with both values;
- reinstalled: the new device is seen, and never with a user;
- placeholder_phone, cashier_card, store_tablet: more than 10 persons are seen with it;
- small_placeholder: at least two cards are seen with it;
- friend_login: the owner's user is seen on at least 4 days, the friend's on one;
- spouse_phone, mistyped_phone: the same order shows a card that is not shared;
- foreign_phone_in_chat: its holder is seen with it elsewhere, by card or user, and the contact
  has what stands against that: a user where the holder has one, a card where the holder has
  one, or another phone, on the rows of the contact, of its UnionID or of that UnionID's user
  (a phone only said in chats: on at least 2 days). A contact without may be the holder;
- wrong_clock: an event of the device is seen; hopeless_clock: never;
- same_content, bot and the file traps: always.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from pipelines.world.evidence import Holders, Sighting
from pipelines.world.files import DAY_SECONDS
from pipelines.world.plan import Instance
from pipelines.world.small_sources import Identifier

CHANGES = 3
HUB_PERSONS = 10
OWNER_DAYS = 4
SAID_DAYS = 2
OWN_KINDS = ("external_userid", "unionid", "user_id")
Seen = dict[str, list[Sighting]]


def decide(instances: list[Instance], sightings: Iterable[Sighting], holders: Holders) -> None:
    """Set each instance's `is_decidable` by the rule of its trap."""
    wanted = {value for one in instances if one.trap in RULES for value in one.identifiers}
    contacts = {one.persons[0] for one in instances if one.trap == "foreign_phone_in_chat"}
    wanted |= {s.value for s in holders.stays if s.person in contacts and s.kind in OWN_KINDS}
    seen: Seen = defaultdict(list)
    for sighting in sightings:
        for _, value in sighting.ids:
            if value in wanted:
                seen[value].append(sighting)
    for instance in instances:
        rule = RULES.get(instance.trap)
        if rule is not None:
            instance.is_decidable = rule(instance, seen, holders)


def _values(sighting: Sighting, kind: str) -> list[str]:
    return [value for one, value in sighting.ids if one == kind]


def _changes(sightings: list[Sighting], kind: str, persons: list[int], holders: Holders) -> int:
    """Count how often the holder of the shown identifiers of a kind changes over time."""
    order: list[int] = []
    for sighting in sorted(sightings, key=lambda one: one.at):
        for value in _values(sighting, kind):
            if sighting.person in persons and holders.alone(
                sighting.person, (kind, value), sighting.at
            ):
                order.append(sighting.person)
    return sum(left != right for left, right in zip(order, order[1:], strict=False))


def _shared_card(one: Instance, seen: Seen, holders: Holders) -> bool:
    return _changes(seen[one.identifiers[0]], "phone", one.persons, holders) >= CHANGES


def _family_tablet(one: Instance, seen: Seen, holders: Holders) -> bool:
    return _changes(seen[one.identifiers[0]], "user_id", one.persons, holders) >= CHANGES


def _anchors(sighting: Sighting, kinds: tuple[str, ...], holders: Holders) -> list[Identifier]:
    return [
        one for one in sighting.ids
        if one[0] in kinds and holders.alone(sighting.person, one, sighting.at)
    ]


def _both_sides(kinds: tuple[str, ...]) -> Callable[[Instance, Seen, Holders], bool]:
    def rule(one: Instance, seen: Seen, holders: Holders) -> bool:
        first, second = one.persons
        rows = [s for s in seen[one.identifiers[0]] if _anchors(s, kinds, holders)]
        before = any(s.person == first and s.at < one.border for s in rows)
        after = any(s.person == second and s.at >= one.border for s in rows)
        return before and after

    return rule


def _one_user(one: Instance, seen: Seen, holders: Holders) -> bool:
    users = [{u for s in seen[value] for u in _values(s, "user_id")} for value in one.identifiers]
    return bool(set.intersection(*users))


def _reinstalled(one: Instance, seen: Seen, holders: Holders) -> bool:
    rows = seen[one.identifiers[1]]
    return bool(rows) and not any(_values(sighting, "user_id") for sighting in rows)


def _hub(one: Instance, seen: Seen, holders: Holders) -> bool:
    return len({sighting.person for sighting in seen[one.identifiers[0]]}) > HUB_PERSONS


def _two_cards(one: Instance, seen: Seen, holders: Holders) -> bool:
    rows = seen[one.identifiers[0]]
    return len({card for sighting in rows for card in _values(sighting, "member_card")}) > 1


def _friend(one: Instance, seen: Seen, holders: Holders) -> bool:
    days: dict[int, set[int]] = defaultdict(set)
    for sighting in seen[one.identifiers[0]]:
        if _values(sighting, "user_id"):
            days[sighting.person].add(sighting.at // DAY_SECONDS)
    owner, friend = one.persons
    return len(days[owner]) >= OWNER_DAYS and len(days[friend]) == 1


def _card_on_order(one: Instance, seen: Seen, holders: Holders) -> bool:
    rows = [s for s in seen[one.identifiers[-1]] if s.at == one.border]
    return any(_anchors(sighting, ("member_card",), holders) for sighting in rows)


def _foreign_phone(one: Instance, seen: Seen, holders: Holders) -> bool:
    phone = one.identifiers[0]
    contact, holder = one.persons
    kinds = ("member_card", "user_id")
    known = {
        kind for s in seen[phone] if s.person == holder for kind, _ in _anchors(s, kinds, holders)
    }
    said = [s for s in seen[phone] if s.person == contact and s.at == one.border]
    own = [
        (s, kind, value) for s in _own_rows(said, seen)
        for kind, value in _anchors(s, (*kinds, "phone"), holders)
    ]
    days: dict[str, set[int]] = defaultdict(set)
    for sighting, kind, value in own:
        if kind == "phone" and holders.alone(contact, (kind, value), one.border):
            is_said = bool(_values(sighting, "external_userid"))
            days[value] |= {sighting.at // DAY_SECONDS} if is_said else set(range(SAID_DAYS))
    has_phone = any(len(found) >= SAID_DAYS for value, found in days.items() if value != phone)
    return bool(known) and (has_phone or any(kind in known for _, kind, _ in own))


def _own_rows(said: list[Sighting], seen: Seen) -> list[Sighting]:
    """Return the rows of the contact of a message, of its UnionID, and of that one's user."""
    rows, reached = said, said
    for kind in OWN_KINDS:
        values = {value for sighting in reached for value in _values(sighting, kind)}
        reached = [sighting for value in sorted(values) for sighting in seen[value]]
        rows = [*rows, *reached]
    return rows


def _is_seen(one: Instance, seen: Seen, holders: Holders) -> bool:
    return bool(seen[one.identifiers[0]])


def _never(one: Instance, seen: Seen, holders: Holders) -> bool:
    return False


RULES: dict[str, Callable[[Instance, Seen, Holders], bool]] = {
    "shared_card": _shared_card,
    "family_tablet": _family_tablet,
    "recycled_phone": _both_sides(("user_id", "member_card")),
    "sold_device": _both_sides(("user_id",)),
    "new_phone": _one_user,
    "second_phone": _one_user,
    "new_device": _one_user,
    "reinstalled": _reinstalled,
    "placeholder_phone": _hub,
    "cashier_card": _hub,
    "store_tablet": _hub,
    "small_placeholder": _two_cards,
    "friend_login": _friend,
    "spouse_phone": _card_on_order,
    "mistyped_phone": _card_on_order,
    "foreign_phone_in_chat": _foreign_phone,
    "wrong_clock": _is_seen,
    "hopeless_clock": _never,
}
