"""A decision of a person about who is who, as a line of a delivered file says it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from schemas.sources import IdentifierType

DECISIONS = "identity_decisions"
"""The source of files of decisions; it needs no declaration."""

Kind = Literal["link", "unlink", "block", "revoke"]
Text = Annotated[str, msgspec.Meta(pattern=r"\S")]


class Keyed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An identifier without its clear value."""

    type: IdentifierType
    identifier_key: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Decision(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """One decision: a link or unlink names ``a`` and ``b``, a block ``a``, a revoke ``revokes``.

    Without ``decision_id`` it gets the one that follows from all the rest.
    """

    kind: Kind
    a: Keyed | None = None
    b: Keyed | None = None
    revokes: Text | None = None
    reason: Text
    author: Text
    decided_at: Annotated[datetime, msgspec.Meta(tz=True)]
    decision_id: str = ""

    @property
    def keys(self) -> list[int]:
        """Keys of the identifiers it names, in order."""
        return sorted(one.identifier_key for one in (self.a, self.b) if one is not None)

    def __post_init__(self) -> None:
        """Refuse what names too much or too little."""
        named = [name for name in ("a", "b", "revokes") if getattr(self, name) is not None]
        wanted = {"block": ["a"], "revoke": ["revokes"]}.get(self.kind, ["a", "b"])
        if named != wanted:
            got = " and ".join(named) or "neither"
            raise ValueError(f"a {self.kind} names {' and '.join(wanted)}, this one {got}")
        if len(set(self.keys)) < len(self.keys):
            raise ValueError(f"a {self.kind} needs two identifiers, this one names one twice")
