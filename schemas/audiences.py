"""How an audience is declared: ``conf/*/audiences/*.yml``."""

from __future__ import annotations

import msgspec

from schemas.measured import Name
from schemas.rules import Rule


class Audience(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A set of persons by a condition over their tags."""

    name: Name
    label: str
    """What people read, in the brand's language."""
    query: Rule
    """The rule tree as the editor gives it; fields are names of tags."""
