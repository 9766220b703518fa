"""Someone else's phone in a chat is decidable only where the contact is shown to be another."""

from __future__ import annotations

import pytest

from pipelines.world.decidable import decide
from pipelines.world.evidence import Holders, Sighting, Stay
from pipelines.world.files import DAY_SECONDS, YEAR_START
from pipelines.world.plan import Instance

CONTACT, HOLDER = 0, 1
PHONE, OTHER = ("phone", "+861"), ("phone", "+862")
CHAT, UNION, USER = ("external_userid", "wm"), ("unionid", "on"), ("user_id", "u")
HIS_USER, HIS_CARD = ("user_id", "his"), ("member_card", "M")
HELD = {CONTACT: (CHAT, UNION, USER, OTHER), HOLDER: (PHONE, HIS_USER, HIS_CARD)}


def is_decidable(*rows: tuple[int, int, tuple[tuple[str, str], ...]]) -> bool:
    """Whether the instance of the mention on day 10 is; ``rows`` are (day, person, identifiers)."""
    holders = Holders()
    for person, held in HELD.items():
        for kind, value in held:
            holders.add(Stay(kind, value, person))
    mention = (10, CONTACT, (CHAT, PHONE))
    sightings = [
        Sighting(person, YEAR_START + day * DAY_SECONDS, ids)
        for day, person, ids in (mention, *rows)
    ]
    at = YEAR_START + 10 * DAY_SECONDS
    instance = Instance("foreign_phone_in_chat", [CONTACT, HOLDER], [PHONE[1]], at)
    decide([instance], sightings, holders)
    return instance.is_decidable


BY_USER = (5, HOLDER, (PHONE, HIS_USER))
BY_CARD = (5, HOLDER, (PHONE, HIS_CARD))
TIED = (11, CONTACT, (CHAT, UNION))
LOGGED_IN = (12, CONTACT, (UNION, USER))


@pytest.mark.parametrize(
    "rows",
    [
        (BY_USER,),
        (BY_USER, TIED),
        (BY_USER, LOGGED_IN),
        (TIED, LOGGED_IN),
        (BY_CARD, TIED, LOGGED_IN),
        (BY_CARD, (20, CONTACT, (CHAT, OTHER))),
        (BY_CARD, (20, CONTACT, (CHAT, PHONE)), (21, CONTACT, (CHAT, PHONE))),
    ],
)
def test_a_contact_that_may_be_the_holder_is_undecidable(rows: tuple) -> None:
    assert not is_decidable(*rows)


@pytest.mark.parametrize(
    "rows",
    [
        (BY_USER, TIED, LOGGED_IN),
        (BY_CARD, (20, CONTACT, (CHAT, OTHER)), (21, CONTACT, (CHAT, OTHER))),
        (BY_CARD, TIED, (12, CONTACT, (UNION, OTHER))),
        (BY_CARD, TIED, LOGGED_IN, (13, CONTACT, (USER, OTHER))),
    ],
)
def test_a_user_or_phone_of_its_own_tells_the_contact_from_the_holder(rows: tuple) -> None:
    assert is_decidable(*rows)
