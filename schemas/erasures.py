"""An erasure: whose keys are suppressed from when to when, and which births others depend on.

It is delivered like any input, so that a rebuild from raw reads it again. It holds keys, dates and
places of events, and no clear value.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

import msgspec
import pyarrow as pa

from schemas.decisions import Text
from schemas.sources import IdentifierType
from schemas.table import TIMESTAMP, Invariant, Table, column

ERASURES = "erasures"
"""The source of files of erasures; it needs no declaration."""

TEXT, LONG, DAY = pa.string(), pa.int64(), pa.date32()
Key = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
OPEN_FROM, OPEN_TO = date(1, 1, 1), date(9999, 12, 31)


class Suppression(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """An identifier whose rows are not taken, on the business dates it was the person's."""

    type: IdentifierType
    identifier_key: Key
    valid_from: date = OPEN_FROM
    valid_to: date = OPEN_TO
    """Business date after the last."""


class Birth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first sighting of somebody else's identifier, which lay among the erased rows."""

    identifier_key: Key
    business_date: date
    received_at: Annotated[datetime, msgspec.Meta(tz=True)]
    source: Text
    event_id: Text
    path: str


class Erasure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a delivered file."""

    erasure_id: str = ""
    """Derived from the rest."""
    suppressions: Annotated[list[Suppression], msgspec.Meta(min_length=1)]
    births: list[Birth] = []
    reason: Text
    author: Text
    erased_at: Annotated[datetime, msgspec.Meta(tz=True)]


ERASED = Table(
    name=ERASURES,
    grain="one erasure of one person",
    key=("erasure_id",),
    mode="append",
    schema=pa.schema(
        [
            column("erasure_id", TEXT, "derived from its content"),
            column("reason", TEXT, "why"),
            column("author", TEXT, "who had it done"),
            column("erased_at", TIMESTAMP, "when"),
            column("received_at", TIMESTAMP, "delivery that brought it"),
            column("file", TEXT, "that delivery"),
        ]
    ),
    says="Erasures in force, without a word on who it was.",
)

SUPPRESSIONS = Table(
    name="suppressions",
    grain="one stretch of dates of one suppressed identifier in one erasure",
    key=("erasure_id", "identifier_key", "valid_from"),
    mode="append",
    schema=pa.schema(
        [
            column("erasure_id", TEXT, "erasure"),
            column("identifier_key", LONG, "identifier; its clear value is nowhere"),
            column("type", TEXT, "its type"),
            column("valid_from", DAY, "first business date; 0001-01-01 is open"),
            column("valid_to", DAY, "business date after the last; 9999-12-31 is open"),
        ]
    ),
    invariants=(
        Invariant("from_before_to", "valid_from < valid_to", "the stretch is not empty"),
        Invariant("key_is_63_bits", "identifier_key >= 0", "the key has 63 bits"),
    ),
    references={"erasure_id": ERASURES},
    says="Identifiers that are never taken in again, on the dates they were an erased person's.",
)

BIRTH_TOMBSTONES = Table(
    name="birth_tombstones",
    grain="one first sighting of one identifier that an erasure took away",
    key=("identifier_key", "business_date", "received_at", "source", "event_id"),
    mode="append",
    schema=pa.schema(
        [
            column("erasure_id", TEXT, "erasure"),
            column("identifier_key", LONG, "identifier of somebody who is still there"),
            column("business_date", DAY, "date of the sighting"),
            column("received_at", TIMESTAMP, "its receipt"),
            column("source", TEXT, "its source"),
            column("event_id", TEXT, "its event"),
            column("path", TEXT, "field on that event"),
        ]
    ),
    references={"erasure_id": ERASURES},
    says="Births on which the one_ids of others depend, so that they keep their names.",
)
