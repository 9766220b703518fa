"""Consent given and withdrawn, per purpose, as the consent service records it."""

from __future__ import annotations

import json
from random import Random

from pipelines.world.files import (
    DAY_SECONDS,
    YEAR_END,
    YEAR_START,
    business_date,
    local_text,
)
from pipelines.world.persons import Person
from pipelines.world.plan import Plan
from pipelines.world.small_sources import Identifier, Row

CHANNELS = {
    "marketing": ("sms", "push", "wechat", "any"),
    "analytics": ("any",),
    "export": ("any",),
    "advertising": ("any",),
}


def write_consents(plan: Plan) -> list[Row]:
    """Return consent records, and note each person's standing at the year's end."""
    p, random = plan.parameters, plan.random
    rows: list[Row] = []
    for person in plan.persons:
        # Half of the persons gave consent in the year's first quarter.
        joined = YEAR_START + int(random.random() ** 2 * 330 * DAY_SECONDS) + 8 * 3600
        for purpose, channels in CHANNELS.items():
            if random.random() < p.consent_missing or not _can_be_named(person, joined):
                continue
            status = "withdrawn" if random.random() < p.consent_refused else "granted"
            at = joined + random.randrange(300)
            channel = random.choice(channels)
            person.consents[purpose] = status
            rows.append(_record(person, purpose, channel, status, at, p.consent_by_user_id, random))
            if status == "granted" and random.random() < p.consent_withdrawn_later:
                at = random.randrange(at + 3600, YEAR_END)
                if not _can_be_named(person, at):
                    continue
                status = person.consents[purpose] = "withdrawn"
                rows.append(
                    _record(person, purpose, channel, status, at, p.consent_by_user_id, random)
                )
    return rows


def _can_be_named(person: Person, at: int) -> bool:
    return person.user_id is not None or person.phone_at(at) is not None


def _record(
    person: Person, purpose: str, channel: str, status: str, at: int, share: float,
    random: Random,
) -> Row:
    phone = person.phone_at(at)
    who: Identifier = ("user_id", person.user_id or "")
    if phone and (not person.user_id or random.random() >= share):
        who = ("phone", phone.value)
    version = "2017-06" if at > YEAR_START + 151 * DAY_SECONDS else "2016-12"
    consent_id = f"c{random.getrandbits(56):014x}"
    record = {
        "consent_id": consent_id, who[0]: who[1], "purpose": purpose, "channel": channel,
        "status": status, "text_version": version,
        "at": local_text(at).replace(" ", "T") + "+08:00",
    }
    text = json.dumps(record, separators=(",", ":"))
    return Row(consent_id, person.number, at, business_date(at), (who,), text)
