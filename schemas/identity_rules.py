"""The rules of identity: the identifier types, how strong, blocked, limited and passed on."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Literal

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import FieldError

Normaliser = Literal["text", "lower", "upper", "phone", "email", "device_id", "card"]


def _at_least_one(field: str, value: int) -> None:
    if value < 1:
        raise FieldError(
            f"{field} is {value}, but a limit is 1 or more",
            field=field,
            expected="1 or more",
            todo="leave it out where there is no limit",
        )


def _check_pattern(name: str, pattern: str) -> None:
    # Arrow and DuckDB share the engine RE2: what one takes, the other takes.
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        raise FieldError(
            f"the pattern {name!r} is not an RE2 expression: {error}",
            field=f"patterns.{name}",
            expected="an RE2 expression that a whole value matches, e.g. test-[0-9]+",
            todo="mend it; RE2 has no look-around and no back-references",
        ) from error


class Blocked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Values that name nobody: they unite nothing and hold nobody."""

    values: tuple[str, ...] = ()
    """Compared whole and without regard to case, after normalisation."""
    patterns: dict[str, str] = {}
    """Name of a pattern, and the RE2 expression that a whole value matches."""

    def __post_init__(self) -> None:
        for name, pattern in self.patterns.items():
            _check_pattern(name, pattern)


PLACEHOLDERS = Blocked(
    values=(
        "-1", "unknown", "anonymous", "undefined", "null", "(null)", "none", "nan", "n/a", "nil",
        "unidentified", "9774d56d682e549c", "02:00:00:00:00:00",
    ),
    # "0", the IMEI that was not read, the all-zero UUID of a refused IDFA.
    patterns={"all_zeros": "[0-]*0[0-]*"},
)  # fmt: skip
"""What SDKs write where they have no id; blocked where a file of rules says nothing else."""


class Holders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """With how many partners a value may be seen; with more it is a hub, which unites nothing.

    Counted anew from all evidence, so that a value is a hub only as long as the data says so.
    """

    of: str
    """Type of the partners; blocked ones do not count."""
    at_most: int
    """Distinct partners that are allowed."""
    within_days: int | None = None
    """Count those within any so many successive days; without it, those of all time."""

    def __post_init__(self) -> None:
        _at_least_one("at_most", self.at_most)
        if self.within_days is not None:
            _at_least_one("within_days", self.within_days)


class PerPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many values of a type one person may have; a link that would give more is refused."""

    at_most: int
    """Values that are allowed."""
    within_days: int | None = None
    """Count only values that are seen less than so many days apart from one another."""
    overlapping_days: int | None = None
    """Count only values whose times overlap by at least so many days: those held at one time."""
    unless_verified: bool = False
    """Values that verifying evidence has named do not count against each other."""

    def __post_init__(self) -> None:
        _at_least_one("at_most", self.at_most)
        for name in ("within_days", "overlapping_days"):
            if getattr(self, name) is not None:
                _at_least_one(name, getattr(self, name))
        if self.within_days is not None and self.overlapping_days is not None:
            raise FieldError(
                "a limit has within_days or overlapping_days, not both",
                field="overlapping_days",
                expected="one of the two",
                todo="make two limits of it; both then hold",
            )


class Exclusive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A partner type of which a value has one holder at a time.

    One after the other is a handover (of a transferable type), several at a time is sharing.
    """

    of: str
    """Type of the holders."""
    silence_days: int = 0
    """Days that must pass between two holders for a handover."""
    near_days: int = 0
    """A holder of one day so near to the time of one with ``strong_days`` is a passer-by."""
    overlap: Literal["shared", "strongest"] = "shared"
    """What holders at one time make of the value: shared by all, or of the one with most days."""

    def __post_init__(self) -> None:
        for name in ("silence_days", "near_days"):
            if getattr(self, name) < 0:
                raise FieldError(
                    f"{name} is {getattr(self, name)}, but days are 0 or more",
                    field=name,
                    expected="0 or more",
                )


class IdentifierRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What holds for every identifier of one type."""

    type: str
    """Name of the identifier type, as it stands on the bundles."""
    priority: int = 0
    """Strength: 1 is the strongest; no two types have one. 0 stands for the place in the list."""
    normaliser: Normaliser | None = None
    """How values of files of edges are written; ``text`` keeps them. A lake goes by its types."""
    blocked: Blocked = Blocked()
    """Values of this type that name nobody, beside those blocked for every type."""
    holders: tuple[Holders, ...] = ()
    """Limits on the partners of a value."""
    per_person: tuple[PerPerson, ...] = ()
    """Limits on the values of a person."""
    exclusive: tuple[Exclusive, ...] = ()
    """Partner types of which a value has one at a time."""
    transferable: bool = False
    """Whether a value may pass from one person to another; else it is one person's for life."""
    may_stand_alone: bool = True
    """Whether a value that is linked to nothing is a person."""
    borrowed_by: str | None = None
    """Partner type whose log-in attributes a hub's or shared value's other events of that day."""


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One class of evidence; links of a class that stands earlier are weighed first."""

    name: str
    """What it is called in explanations."""
    between: tuple[tuple[str, str], ...] = ()
    """Pairs of types, in either order; without any, all pairs."""
    sources: tuple[str, ...] = ()
    """Sources that it comes from; without any, all sources."""
    verifies: bool = False
    """Whether it proves that the person holds both, so that limits for verified values hold."""


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when on a holder counts."""

    passer_by_times: int = 4
    """A holder is a passer-by beside one who has so many times the days, around its own."""
    shared_times: int = 8
    """The same, for values that are one person's for life."""
    strong_days: int = 4
    """Distinct days that make a holder, or a link, strong."""

    def __post_init__(self) -> None:
        for name in ("passer_by_times", "shared_times", "strong_days"):
            _at_least_one(name, getattr(self, name))


class IdentityRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``conf/base/identity.yml``."""

    types: tuple[IdentifierRules, ...] = ()
    """The identifier types."""
    blocked: Blocked = PLACEHOLDERS
    """Values that name nobody, whatever their type."""
    undeclared: Literal["refuse", "accept"] = "refuse"
    """What becomes of a type that is not listed: an error, or the weakest of all."""
    evidence: tuple[Evidence, ...] = ()
    """Classes of evidence, the most trustworthy first; what belongs to none comes last."""
    weights: Weights = Weights()
    """From when on a holder counts."""
    warn_wrong_links: float = 0.2
    """Wrong links a person, estimated, from which on a run warns: there components percolate."""

    def __post_init__(self) -> None:
        names = [one.type for one in self.types]
        priorities = [one.priority or place for place, one in enumerate(self.types, 1)]
        for place, one in enumerate(self.types):
            if one.type in names[:place]:
                raise FieldError(
                    f"the type {one.type!r} is listed twice",
                    field=f"types[{place}].type",
                    expected="each type once",
                    todo="make one of the two",
                )
            _check_priority(place, priorities, names)
        if self.undeclared == "refuse":
            for field, partner in self._named():
                _check_listed(field, partner, names)

    def _named(self) -> Iterator[tuple[str, str]]:
        """Every mention of a type, with its place."""
        for place, one in enumerate(self.types):
            field = f"types[{place}]"
            yield from ((f"{field}.holders[{n}].of", it.of) for n, it in enumerate(one.holders))
            yield from ((f"{field}.exclusive[{n}].of", it.of) for n, it in enumerate(one.exclusive))
            if one.borrowed_by is not None:
                yield f"{field}.borrowed_by", one.borrowed_by
        for place, evidence in enumerate(self.evidence):
            for n, pair in enumerate(evidence.between):
                for end, type in enumerate(pair):
                    yield f"evidence[{place}].between[{n}][{end}]", type

    def ranked(self) -> list[IdentifierRules]:
        """The types, the strongest first."""
        placed = [(one.priority or place, one) for place, one in enumerate(self.types, 1)]
        return [one for _, one in sorted(placed, key=lambda it: it[0])]

    def without_tenures(self) -> IdentityRules:
        """The same rules with hubs and limits, but each value one person's for all time."""
        return self._with(exclusive=(), transferable=False)

    def without_limits(self) -> IdentityRules:
        """The same rules with blocked values and hubs only."""
        return self._with(exclusive=(), transferable=False, per_person=())

    def without_hubs(self) -> IdentityRules:
        """The same rules with blocked values only."""
        return self._with(exclusive=(), transferable=False, per_person=(), holders=())

    def without_screen(self) -> IdentityRules:
        """The same types, with nothing blocked and no limits: plain connected components."""
        types = tuple(IdentifierRules(one.type) for one in self.ranked())
        return IdentityRules(types, Blocked(), undeclared=self.undeclared)

    def _with(self, **fields: object) -> IdentityRules:
        types = tuple(msgspec.structs.replace(one, **fields) for one in self.types)
        return msgspec.structs.replace(self, types=types)


NO_RULES = IdentityRules((), Blocked(), undeclared="accept")
"""Any type, nothing blocked, no limits."""


def _check_priority(place: int, priorities: list[int], names: list[str]) -> None:
    mine, field = priorities[place], f"types[{place}].priority"
    if mine < 1:
        raise FieldError(
            f"{names[place]} has the priority {mine}",
            field=field,
            expected="1, the strongest, or more",
        )
    if mine in priorities[:place]:
        other = names[priorities.index(mine)]
        raise FieldError(
            f"{names[place]} has the priority {mine} of {other}",
            field=field,
            expected=f"one that no other type has; free is {max(priorities) + 1}",
            todo="or leave all priorities out: then the strongest is listed first",
        )


def _check_listed(field: str, type: str, names: list[str]) -> None:
    if type not in names:
        alike = get_close_matches(type, names, 1)
        meant = f"say {alike[0]}, or list" if alike else "list"
        raise FieldError(
            f"the type {type!r} is not listed",
            field=field,
            expected="one of " + ", ".join(names),
            todo=f"{meant} {type} under `types`, or set `undeclared: accept`",
        )
