"""When something really happened: a sender's clock set right by what the receiver's said.

``timestamp = receivedAt - (sentAt - originalTimestamp)``, as the Segment specification gives it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.sources import Clock

_MICROSECOND = timedelta(microseconds=1)
_SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Corrected:
    """The believed time; ``is_corrected`` when the skew moved it, ``is_suspect`` when none came."""

    at: datetime
    is_corrected: bool
    is_suspect: bool


def correct(
    original: datetime, sent: datetime | None, received: datetime, clock: Clock
) -> Corrected:
    """The time of occurrence of an event stamped ``original`` and sent at ``sent``.

    A difference of sending and receipt within the tolerance is left alone. What then lies too far
    after or before ``received`` is not believed: receipt stands in, marked suspect.
    """
    skew = (received - sent) // _MICROSECOND if sent is not None else 0
    is_corrected = abs(skew) > clock.tolerance_s * _SECOND_US
    from_receipt = (original - received) // _MICROSECOND + (skew if is_corrected else 0)
    if from_receipt > clock.ahead_s * _SECOND_US or from_receipt < -_behind_us(clock):
        return Corrected(received, False, True)
    return Corrected(received + from_receipt * _MICROSECOND, is_corrected, False)


def correct_sql(original: str, sent: str, received: str, clock: Clock) -> str:
    """``correct`` over TIMESTAMPTZ expressions: a STRUCT(at, is_corrected, is_suspect)."""
    skew = f"coalesce(epoch_us({received}) - epoch_us({sent}), 0)"
    is_corrected = f"(abs({skew}) > {clock.tolerance_s * _SECOND_US})"
    from_receipt = (
        f"(epoch_us({original}) - epoch_us({received}) + "
        f"CASE WHEN {is_corrected} THEN {skew} ELSE 0 END)"
    )
    is_suspect = (
        f"({from_receipt} > {clock.ahead_s * _SECOND_US} "
        f"OR {from_receipt} < {-_behind_us(clock)})"
    )
    return (
        f"{{'at': CASE WHEN {is_suspect} THEN {received} "
        f"ELSE make_timestamptz(epoch_us({received}) + {from_receipt}) END, "
        f"'is_corrected': {is_corrected} AND NOT {is_suspect}, 'is_suspect': {is_suspect}}}"
    )


def _behind_us(clock: Clock) -> int:
    return clock.behind_days * 86_400 * _SECOND_US
