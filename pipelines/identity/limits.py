"""The limits on the values of one person, as a flat list with names."""

from __future__ import annotations

from dataclasses import dataclass, replace

from schemas.identity_rules import IdentityRules, PerPerson

ALWAYS = -100_000_000
"""Tolerance of a limit without dates: any two values conflict."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many values of one type may conflict inside a person."""

    type: str
    """Identifier type."""
    at_most: int
    """Values that may conflict with one another; one more breaks the limit."""
    tolerance: int
    """Two values conflict where min(last) - max(first) of their days is so many days or more."""
    unless_verified: bool
    """Two verified values do not conflict."""
    name: str
    """What a refused link says that it would break."""


def rule_name(type: str, limit: PerPerson) -> str:
    """The limit as text, e.g. ``phone: at most 1 overlapping 3 days``."""
    if limit.within_days is not None:
        when = f" within {limit.within_days} days"
    elif limit.overlapping_days is not None:
        when = f" overlapping {limit.overlapping_days} days"
    else:
        when = ""
    return f"{type}: at most {limit.at_most}{when}"


def limits(rules: IdentityRules) -> list[Limit]:
    """Every limit on persons, by type from the strongest and then as listed."""
    return [
        Limit(
            one.type,
            limit.at_most,
            _tolerance(limit),
            limit.unless_verified,
            rule_name(one.type, limit),
        )
        for one in rules.ranked()
        for limit in one.per_person
    ]


def _tolerance(limit: PerPerson) -> int:
    if limit.within_days is not None:
        return 1 - limit.within_days
    return limit.overlapping_days if limit.overlapping_days is not None else ALWAYS


def without_dates(bounds: list[Limit]) -> list[Limit]:
    """The tightest limit of each type, whatever dates and verification come to be."""
    least: dict[str, Limit] = {}
    for one in bounds:
        if one.type not in least or one.at_most < least[one.type].at_most:
            least[one.type] = replace(one, tolerance=ALWAYS, unless_verified=False)
    return list(least.values())
