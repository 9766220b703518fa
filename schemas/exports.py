"""How an export is declared: ``conf/*/exports/*.yml``."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.measured import Name


class Export(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which members leave, as what, and by which permission."""

    name: Name
    audience: Name
    formats: Annotated[list[Literal["parquet", "csv"]], msgspec.Meta(min_length=1)]
    """parquet: members with tags, for systems of the brand; csv: hashed identifiers, for others."""
    channel: Literal["sms", "push", "wechat", "any"]
    """Channel for which consent must stand."""
    purpose: Literal["export"] = "export"
    identifier: Literal["phone"] = "phone"
    """Type of the identifier in the csv; only those that one person holds alone."""
    hashing: Literal["sha256_e164"] = "sha256_e164"
    """sha256_e164: SHA-256 of the E.164 number with its plus sign, in lower-case hex, unsalted."""
    tags: list[Name] = []
    """Tags beside each member in the parquet file."""
