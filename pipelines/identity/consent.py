"""What a person has allowed: the statements, and what follows from them on a date."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from domain.consent import ANY_CHANNEL, Statement, is_granted
from lake.engines.duckdb import Session, quoted

_STATEMENTS = """
SELECT c.occurred_at, c.purpose, c.channel, c.status, c.text_version, c.source, c.event_id,
  c.received_at
FROM consents AS c JOIN bundle_persons AS p ON p.bundle_id = c.bundle_id
  AND c.business_date >= p.valid_from AND c.business_date < p.valid_to
WHERE p.one_id = {one_id}
ORDER BY c.occurred_at, c.purpose, c.channel, c.source, c.event_id
"""


def explain_consent(session: Session, one_id: str, at: datetime) -> dict[str, Any]:
    """The person's statements with their proof, and per purpose and channel whether they allow it.

    ``at`` is the instant up to which statements count. Also told is what is not: a purpose for
    which nothing was said is a no.
    """
    statements = session.table(_STATEMENTS.format(one_id=quoted(one_id))).to_pylist()
    heard = [
        Statement(
            row["purpose"], row["channel"], row["status"], row["occurred_at"], row["received_at"]
        )
        for row in statements
    ]
    spoken = session.rows("SELECT DISTINCT purpose, channel FROM consents ORDER BY ALL")
    purposes = sorted({str(purpose) for purpose, _ in spoken})
    channels = sorted({str(channel) for _, channel in spoken} | {ANY_CHANNEL})
    verdicts = [
        {
            "purpose": purpose, "channel": channel,
            "allowed": is_granted(heard, purpose, channel, at),
            "decided by": _decisive(statements, heard, purpose, channel, at),
        }
        for purpose in purposes for channel in channels
    ]
    return {"one_id": one_id, "at": at, "statements": statements, "verdicts": verdicts}


def _decisive(
    statements: list[dict[str, Any]], heard: list[Statement], purpose: str, channel: str,
    at: datetime,
) -> str:
    """The statement that counts, by its id; words where there is none."""
    found = [
        (one.made_at, one.status == "withdrawn", place)
        for place, one in enumerate(heard) if one.counts(purpose, channel, at)
    ]
    if not found:
        return "nothing was said, which is a no"
    last = statements[max(found)[2]]
    return f"{last['source']} {last['event_id']}, text {last['text_version'] or 'unknown'}"
