"""Lists of persons: which identifiers were put on which list, or taken off, and when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec
import pyarrow as pa

from schemas.decisions import Text
from schemas.measured import Name
from schemas.sources import IdentifierType
from schemas.table import TIMESTAMP, Invariant, Table, column

LISTS = "list_members"
"""The source of files of changes to lists; it needs no declaration."""


class Change(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a delivered file: an identifier, by its key, is put on a list or taken off."""

    list: Name
    change: Literal["added", "removed"]
    type: IdentifierType
    identifier_key: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    reason: Text
    author: Text
    changed_at: Annotated[datetime, msgspec.Meta(tz=True)]


LIST_MEMBERS = Table(
    name=LISTS,
    grain="one change of one identifier on one list",
    key=("list", "identifier_key", "changed_at"),
    mode="append",
    schema=pa.schema(
        [
            column("list", pa.string(), "name of the list"),
            column("identifier_key", pa.int64(), "identifier; its clear value is nowhere here"),
            column("type", pa.string(), "its type, e.g. phone"),
            column("change", pa.string(), "added or removed; the last one counts"),
            column("reason", pa.string(), "why"),
            column("author", pa.string(), "who did it"),
            column("changed_at", TIMESTAMP, "when it counts as done"),
            column("received_at", TIMESTAMP, "delivery that brought it"),
            column("file", pa.string(), "that delivery"),
        ]
    ),
    invariants=(
        Invariant("change_is_known", "change IN ('added', 'removed')", "one of two"),
        Invariant("key_is_63_bits", "identifier_key >= 0", "the key has 63 bits"),
    ),
    says="Who is put on lists that audiences include or exclude; never changed, only added to.",
)
