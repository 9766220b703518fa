"""Who allowed what: the latest statement wins, and a missing one is a no."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

ANY_CHANNEL = "any"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of consent, as in the table ``consents``."""

    purpose: str
    channel: str
    status: str
    occurred_at: datetime


def is_granted(
    statements: Iterable[Statement], purpose: str, channel: str, at: datetime
) -> bool:
    """Whether one person's ``statements`` allow ``purpose`` over ``channel`` at the instant ``at``.

    A statement for channel ``any`` covers every channel until a later one speaks of the channel
    itself. Of two statements of one instant the withdrawal counts.
    """
    heard = [
        (one.occurred_at, one.status == "withdrawn")
        for one in statements
        if one.purpose == purpose
        and one.channel in (channel, ANY_CHANNEL)
        and one.occurred_at <= at
    ]
    return bool(heard) and not max(heard)[1]


def consent_sql(purpose: str, channel: str, at: str | None = None) -> str:
    """A query of the ``one_id`` of every person for whom ``is_granted`` holds.

    It reads ``consents`` and ``bundle_persons``; ``at`` is a TIMESTAMPTZ expression, by default
    every statement counts.
    """
    until = f" AND c.occurred_at <= {at}" if at else ""
    return (
        "SELECT p.one_id FROM consents AS c JOIN bundle_persons AS p "
        "ON p.bundle_id = c.bundle_id AND c.business_date >= p.valid_from "
        "AND c.business_date < p.valid_to "
        f"WHERE c.purpose = {_quoted(purpose)} "
        f"AND c.channel IN ({_quoted(channel)}, '{ANY_CHANNEL}'){until} "
        "GROUP BY p.one_id "
        # The instant, and at one instant the withdrawal above the grant, as one number.
        "HAVING max(epoch_us(c.occurred_at) * 2 + CAST(c.status = 'withdrawn' AS BIGINT)) % 2 = 0"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
