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
    received_at: datetime | None = None

    @property
    def made_at(self) -> datetime:
        """When it was made: never after it was received, whatever the sender's clock says."""
        if self.received_at is None:
            return self.occurred_at
        return min(self.occurred_at, self.received_at)

    def counts(self, purpose: str, channel: str, at: datetime) -> bool:
        """Whether it speaks of ``purpose`` and ``channel`` and was made by the instant ``at``.

        A grant dated later than ``at`` does not count yet, though it was received.
        """
        return (
            self.purpose == purpose
            and self.channel in (channel, ANY_CHANNEL)
            and (self.made_at if self.status == "withdrawn" else self.occurred_at) <= at
        )


def is_granted(
    statements: Iterable[Statement], purpose: str, channel: str, at: datetime
) -> bool:
    """Whether one person's ``statements`` allow ``purpose`` over ``channel`` at the instant ``at``.

    A statement for channel ``any`` covers every channel until a later one speaks of the channel
    itself. Of two statements of one instant the withdrawal counts.
    """
    heard = [
        (one.made_at, one.status == "withdrawn")
        for one in statements
        if one.counts(purpose, channel, at)
    ]
    return bool(heard) and not max(heard)[1]


def consent_sql(purpose: str, channel: str, at: str | None = None) -> str:
    """A query of the ``one_id`` of every person for whom ``is_granted`` holds.

    It reads ``consents`` and ``bundle_persons``; ``at`` is a TIMESTAMPTZ expression, by default
    every statement counts.
    """
    made_at = "least(c.occurred_at, c.received_at)"
    counted_from = f"CASE c.status WHEN 'withdrawn' THEN {made_at} ELSE c.occurred_at END"
    until = f" AND {counted_from} <= {at}" if at else ""
    return (
        "SELECT p.one_id FROM consents AS c JOIN bundle_persons AS p "
        "ON p.bundle_id = c.bundle_id AND c.business_date >= p.valid_from "
        "AND c.business_date < p.valid_to "
        f"WHERE c.purpose = {_quoted(purpose)} "
        f"AND c.channel IN ({_quoted(channel)}, '{ANY_CHANNEL}'){until} "
        "GROUP BY p.one_id "
        # The instant, and at one instant the withdrawal above the grant, as one number.
        f"HAVING max(epoch_us({made_at}) * 2 + CAST(c.status = 'withdrawn' AS BIGINT)) % 2 = 0"
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
