"""The programme: the brand's zone, cut, currency and country under which everything is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from zoneinfo import ZoneInfo

import msgspec


class Programme(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``conf/base/programme.yml``."""

    name: str
    zone: str
    """IANA zone of business dates."""
    cut_hours: int
    """Hours after the end of a business date at which its inputs are cut."""
    currency: str
    """ISO 4217 code of amounts whose source names none."""
    region: str
    """ISO 3166 country of phones written without a country code."""
    retention_days: int = 30
    """Days for which releases from before an erasure are kept; then they hold nobody erased."""

    def __post_init__(self) -> None:
        """Refuse what would fail only at run time; the loader gives the error its file."""
        for complaint in _complaints(self):
            raise ValueError(complaint)


def zone_complaints(zone: str) -> Iterator[str]:
    """What is wrong with the name of a zone, if anything."""
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        yield f"Expected `zone: an IANA name such as Asia/Shanghai`, got `{zone!r}`"


def currency_complaints(currency: str) -> Iterator[str]:
    """What is wrong with the form of a currency, if anything."""
    if not re.fullmatch("[A-Z]{3}", currency):
        yield f"Expected `currency: 3 capital letters such as CNY`, got `{currency!r}`"


def _complaints(programme: Programme) -> Iterator[str]:
    yield from zone_complaints(programme.zone)
    yield from currency_complaints(programme.currency)
    if not re.fullmatch("[A-Z]{2}", programme.region):
        yield f"Expected `region: 2 capital letters such as CN`, got `{programme.region!r}`"
    if not 0 <= programme.retention_days <= 3650:
        got = programme.retention_days
        yield f"Expected `retention_days: 0 to 3650`, got `{got}`"
    if not 0 <= programme.cut_hours <= 24:
        yield f"Expected `cut_hours: 0 to 24`, got `{programme.cut_hours}`"
