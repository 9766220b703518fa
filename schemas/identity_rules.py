"""The rules of identity: which identifier types there are, how strong, blocked and limited."""

from __future__ import annotations

from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc


class Blocked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values that name nobody: they unite nothing and hold nobody."""

    values: tuple[str, ...] = ()
    """Compared whole and without regard to case, after normalisation."""
    patterns: dict[str, str] = {}
    """Name of a pattern, and the RE2 expression that a whole value matches."""

    def __post_init__(self) -> None:
        for name, pattern in self.patterns.items():
            _check_pattern(name, pattern)


class IdentifierRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for every identifier of one type."""

    type: str
    """Name of the identifier type, as it stands on the bundles."""
    blocked: Blocked = Blocked()
    """Values of this type that name nobody, beside those blocked for every type."""
    at_most: dict[str, int] = {}
    """Partner type, and how many distinct partners of it a value may have; with more, a hub."""

    def __post_init__(self) -> None:
        for partner, limit in self.at_most.items():
            if limit < 1:
                raise ValueError(f"at_most {partner} is {limit}, but a limit is 1 or more")


class IdentityRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``conf/base/identity.yml``."""

    types: tuple[IdentifierRules, ...]
    """Every known identifier type, the strongest first."""
    blocked: Blocked = Blocked()
    """Values that name nobody, whatever their type."""
    undeclared: Literal["refuse", "accept"] = "refuse"
    """What becomes of a type that is not listed: an error, or the weakest of all."""

    def __post_init__(self) -> None:
        names = [one.type for one in self.types]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the type {name!r} is listed twice")
        for one in self.types:
            for partner in one.at_most:
                if partner not in names:
                    raise ValueError(f"{one.type} has a limit on {partner!r}, which is not listed")

    def without_limits(self) -> IdentityRules:
        """The same rules with their blocked values, but no hubs."""
        types = tuple(msgspec.structs.replace(one, at_most={}) for one in self.types)
        return msgspec.structs.replace(self, types=types)

    def without_screen(self) -> IdentityRules:
        """The same types, with nothing blocked and no hubs: plain connected components."""
        types = tuple(IdentifierRules(one.type) for one in self.types)
        return IdentityRules(types, undeclared=self.undeclared)


NO_RULES = IdentityRules((), undeclared="accept")
"""Any type, nothing blocked, no hubs."""


def _check_pattern(name: str, pattern: str) -> None:
    # Arrow and DuckDB share the engine RE2: what one takes, the other takes.
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        raise ValueError(f"the pattern {name!r} is not an RE2 expression: {pattern}") from error
