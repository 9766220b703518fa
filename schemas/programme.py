"""The programme: the brand's zone, cut, currency and country under which everything is read."""

from __future__ import annotations

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
